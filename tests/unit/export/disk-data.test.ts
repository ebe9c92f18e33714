import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../../src/core/index.ts';
import { dataStretches, eachPiece, PIECE_BYTES, totalBytes } from '../../../src/export/disk-data.ts';
import { diskOf, type Stretch } from '../../support/memory-disk.ts';

const { signal } = new AbortController();
const ALIGN = 64 * KiB;

const stretches: fc.Arbitrary<Stretch[]> = fc.array(
  fc.record({ kind: fc.constantFrom('hole', 'text'), bytes: fc.integer({ min: 1, max: 3000 }).map((sectors) => sectors * 512) }),
  { minLength: 1, maxLength: 10 },
);

describe('dataStretches', () => {
  it('covers all data and nothing else but what shares its blocks', async () => {
    await fc.assert(
      fc.asyncProperty(stretches, async (given) => {
        const { content, disk } = diskOf(given);
        const found = await dataStretches(disk, content.length, ALIGN, signal);
        const blocks = new Set(
          found.flatMap(({ offset, bytes }) => {
            expect(offset % ALIGN).toBe(0);
            expect((offset + bytes) % ALIGN === 0 || offset + bytes === content.length).toBe(true);
            return Array.from({ length: Math.ceil(bytes / ALIGN) }, (_, index) => offset / ALIGN + index);
          }),
        );
        for (let block = 0; block * ALIGN < content.length; block++) {
          const bytes = content.subarray(block * ALIGN, (block + 1) * ALIGN);
          expect(blocks.has(block)).toBe(!bytes.equals(Buffer.alloc(bytes.length)));
        }
        // Merged: no two of them touch.
        expect(found.every(({ offset }, index) => index === 0 || offset > endOf(found[index - 1]))).toBe(true);
      }),
    );
  });

  it('stops when aborted', async () => {
    const { disk } = diskOf([{ kind: 'text', bytes: MiB }]);
    await expect(dataStretches(disk, MiB, ALIGN, AbortSignal.abort(new Error('enough')))).rejects.toMatchObject({
      code: 'KIB_CANCELLED',
    });
  });
});

describe('eachPiece', () => {
  it('gives the bytes in order, in few buffers', async () => {
    const { content, disk } = diskOf([
      { kind: 'noise', bytes: 3 * PIECE_BYTES + 512 },
      { kind: 'hole', bytes: 2 * MiB },
      { kind: 'noise', bytes: 20 * PIECE_BYTES },
    ]);
    const found = await dataStretches(disk, content.length, ALIGN, signal);
    const buffers = new Set<ArrayBufferLike>();
    let inHand = 0;
    let most = 0;
    const copy = Buffer.alloc(content.length);
    const order: number[] = [];
    const pieces = eachPiece(disk, found, 4, signal, async (piece) => {
      most = Math.max(most, ++inHand);
      buffers.add(piece.data.buffer);
      await new Promise((resolve) => setImmediate(resolve));
      piece.data.copy(copy, piece.offset);
      inHand--;
      piece.release();
      return piece.offset;
    });
    for await (const offset of pieces) order.push(offset);
    expect(copy.equals(content)).toBe(true);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(most).toBeLessThanOrEqual(4);
    expect(buffers.size).toBeLessThanOrEqual(4);
    expect(disk.reads.every(({ bytes }) => bytes <= PIECE_BYTES)).toBe(true);
    expect(totalBytes(disk.reads)).toBe(totalBytes(found));
  });
});

function endOf(stretch: { readonly offset: number; readonly bytes: number } | undefined): number {
  return stretch === undefined ? 0 : stretch.offset + stretch.bytes;
}
