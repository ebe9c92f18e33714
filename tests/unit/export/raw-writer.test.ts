import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MiB, sha256 } from '../../../src/core/index.ts';
import { withNewFile } from '../../../src/export/file-writer.ts';
import { HOLE_BYTES, nonZeroParts, writeRaw } from '../../../src/export/raw-writer.ts';
import { diskOf, type Stretch } from '../../support/memory-disk.ts';

const { signal } = new AbortController();

describe('writeRaw', () => {
  let dir: string;
  let count = 0;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-raw-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('writes the disk byte for byte, knows its digest, and reads no hole', async () => {
    const stretches: fc.Arbitrary<Stretch[]> = fc.array(
      fc.record({
        kind: fc.constantFrom('hole', 'zeroes', 'noise', 'text', 'byte'),
        bytes: fc.oneof(fc.integer({ min: 1, max: 4000 }), fc.constantFrom(7, 8, 9, 512)).map((sectors) => sectors * 512),
      }),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(stretches, async (given) => {
        const { content, disk } = diskOf(given);
        const path = join(dir, `${count++}.raw`);
        const progress: number[] = [];
        const request = { disk, capacityBytes: content.length, signal, onProgress: (percent: number) => progress.push(percent) };
        const digest = await withNewFile(path, (file) => writeRaw({ ...request, file }));
        expect((await readFile(path)).equals(content)).toBe(true);
        expect(digest).toBe(sha256(content));
        expect(progress.at(-1)).toBe(100);
        const held = given.reduce((sum, { kind, bytes }) => sum + (kind === 'hole' ? 0 : bytes + 2 * HOLE_BYTES), 0);
        expect(disk.reads.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(held);
        await rm(path);
      }),
      { numRuns: 40 },
    );
  });

  it('leaves holes where there are zeroes', async () => {
    const { content, disk } = diskOf([
      { kind: 'zeroes', bytes: 8 * MiB },
      { kind: 'hole', bytes: 8 * MiB },
      { kind: 'byte', bytes: 8 * MiB },
    ]);
    const path = join(dir, 'sparse.raw');
    await withNewFile(path, (file) => writeRaw({ disk, capacityBytes: content.length, signal, onProgress: () => {}, file }));
    const { size, blocks } = await stat(path);
    expect(size).toBe(24 * MiB);
    expect(blocks * 512).toBeLessThan(MiB);
  });

  it('stops in the middle of a hole when aborted', async () => {
    const { content, disk } = diskOf([{ kind: 'hole', bytes: 64 * MiB }]);
    const stop = new AbortController();
    const onProgress = (percent: number): void => {
      if (percent > 10) stop.abort(new Error('Ctrl-C'));
    };
    const request = { disk, capacityBytes: content.length, signal: stop.signal, onProgress };
    const writing = withNewFile(join(dir, 'aborted.raw'), (file) => writeRaw({ ...request, file }));
    await expect(writing).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
  });
});

describe('nonZeroParts', () => {
  it('takes out whole blocks of zeroes and keeps the rest', () => {
    const bytes = Buffer.alloc(5 * HOLE_BYTES + 100);
    expect([...nonZeroParts(bytes)]).toEqual([]);
    bytes[HOLE_BYTES] = 1;
    bytes[3 * HOLE_BYTES - 1] = 1;
    bytes[bytes.length - 1] = 1;
    expect([...nonZeroParts(bytes)]).toEqual([
      { start: HOLE_BYTES, end: 3 * HOLE_BYTES },
      { start: 5 * HOLE_BYTES, end: bytes.length },
    ]);
    expect([...nonZeroParts(Buffer.alloc(3, 1))]).toEqual([{ start: 0, end: 3 }]);
  });
});
