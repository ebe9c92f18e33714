import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GiB, KiB, MiB } from '../../../src/core/index.ts';
import { grainParts, MARKER, marked, sparseHeader, vmdkDescriptor, vmdkStart } from '../../../src/export/vmdk-format.ts';
import { type VmdkFile, writeStreamOptimizedVmdk } from '../../../src/export/vmdk-writer.ts';
import { diskOf, MemoryDisk, type Stretch } from '../../support/memory-disk.ts';
import { readVmdk } from '../../support/vmdk-reader.ts';

const { signal } = new AbortController();

async function write(
  disk: MemoryDisk,
  capacityBytes: number,
  onProgress: (percent: number) => void = () => {},
): Promise<VmdkFile & { readonly file: Buffer }> {
  const parts: Buffer[] = [];
  const write = async (bytes: Buffer): Promise<void> => {
    // A copy, since what is written may be used again.
    parts.push(Buffer.from(bytes));
    await Promise.resolve();
  };
  const written = await writeStreamOptimizedVmdk({ disk, capacityBytes, name: 'x-disk1.vmdk', write, onProgress, signal });
  return { ...written, file: Buffer.concat(parts) };
}

// Sectors around the borders of grains (128), pieces (512) and, where there is nothing to compress, grain tables (65 536).
const sectors = fc.oneof(fc.integer({ min: 1, max: 700 }), fc.constantFrom(1, 127, 128, 129, 511, 512, 513));
const holes = fc.oneof(sectors, fc.constantFrom(65_535, 65_536, 65_537, 65_536 - 128));
const stretch = fc.oneof(
  fc.record({ kind: fc.constant('hole' as const), bytes: holes.map((count) => count * 512) }),
  fc.record({ kind: fc.constantFrom('zeroes', 'noise', 'text', 'byte'), bytes: sectors.map((count) => count * 512) }),
);
const stretches: fc.Arbitrary<Stretch[]> = fc.array(stretch, { minLength: 1, maxLength: 8 });

describe('streamOptimized VMDK', () => {
  it('holds the disk bit for bit, by its tables and as a stream', async () => {
    await fc.assert(
      fc.asyncProperty(stretches, async (given) => {
        const { content, disk } = diskOf(given);
        const { file, bytes, populatedBytes } = await write(disk, content.length);
        const read = readVmdk(file);
        expect(read.byTables.equals(content)).toBe(true);
        expect(read.byStream.equals(content)).toBe(true);
        expect(bytes).toBe(file.length);
        expect(Math.ceil(populatedBytes / (64 * KiB))).toBe(read.grains);
        expect(read.records.slice(-3)).toEqual(['grain directory', 'footer', 'end of stream']);
      }),
      { numRuns: 30 },
    );
  });

  it('reads nothing of a hole but what shares a grain with data', async () => {
    await fc.assert(
      fc.asyncProperty(stretches, async (given) => {
        const { content, disk } = diskOf(given);
        await write(disk, content.length);
        const grainsOf = (from: number, to: number): number[] => {
          const first = Math.floor(from / (64 * KiB));
          return Array.from({ length: Math.ceil(to / (64 * KiB)) - first }, (_, index) => first + index);
        };
        let offset = 0;
        const wanted = given.flatMap(({ kind, bytes }) => {
          offset += bytes;
          return kind === 'hole' ? [] : grainsOf(offset - bytes, offset);
        });
        const read = disk.reads.flatMap(({ offset, bytes }) => grainsOf(offset, offset + bytes));
        expect(read).toEqual([...new Set(wanted)]);
      }),
      { numRuns: 30 },
    );
  });

  it('is the same bytes each time', async () => {
    const given: Stretch[] = [
      { kind: 'noise', bytes: 3 * MiB },
      { kind: 'hole', bytes: 70 * MiB },
      { kind: 'text', bytes: 4 * MiB },
    ];
    const [first, second] = [diskOf(given), diskOf(given)];
    expect((await write(first.disk, first.content.length)).file.equals((await write(second.disk, 77 * MiB)).file)).toBe(true);
  });

  it('of an empty disk is metadata alone', async () => {
    const { content, disk } = diskOf([{ kind: 'hole', bytes: 20 * MiB }]);
    const progress: number[] = [];
    const { file, populatedBytes } = await write(disk, content.length, (percent) => progress.push(percent));
    expect(disk.reads).toEqual([]);
    expect(populatedBytes).toBe(0);
    expect(readVmdk(file)).toMatchObject({ grains: 0, records: ['grain directory', 'footer', 'end of stream'] });
    expect(progress).toEqual([]);
  });

  it('reports progress that rises to 100', async () => {
    const progress: number[] = [];
    const { content, disk } = diskOf([
      { kind: 'hole', bytes: MiB },
      { kind: 'text', bytes: 5 * MiB },
    ]);
    await write(disk, content.length, (percent) => progress.push(percent));
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(100);
  });

  it('fails with the reader, with the writer, and when aborted', async () => {
    const { content, disk } = diskOf([{ kind: 'text', bytes: 5 * MiB }]);
    const request = { capacityBytes: content.length, name: 'x', onProgress: () => {}, signal, write: () => Promise.resolve() };
    const broken = new MemoryDisk(content);
    broken.read = (offset) => Promise.reject(new Error(`bad sector ${offset > 2 * MiB}`));
    await expect(writeStreamOptimizedVmdk({ ...request, disk: broken })).rejects.toThrow('bad sector false');
    const full = (): Promise<void> => Promise.reject(new Error('full'));
    await expect(writeStreamOptimizedVmdk({ ...request, disk, write: full })).rejects.toThrow('full');
    const stop = new AbortController();
    const stopping = { ...request, disk, signal: stop.signal, onProgress: () => stop.abort(new Error('Ctrl-C')) };
    await expect(writeStreamOptimizedVmdk(stopping)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
  });
});

describe('structures', () => {
  it('header is as the technical note has it', () => {
    const header = sparseHeader(20 * GiB);
    expect(header.toString('latin1', 0, 4)).toBe('KDMV');
    expect(header.readUInt32LE(4)).toBe(3);
    expect(header.readUInt32LE(8)).toBe((1 << 0) | (1 << 16) | (1 << 17));
    expect(header.readBigUInt64LE(12)).toBe(41_943_040n);
    expect(header.readBigUInt64LE(20)).toBe(128n);
    expect([header.readBigUInt64LE(28), header.readBigUInt64LE(36)]).toEqual([1n, 20n]);
    expect(header.readUInt32LE(44)).toBe(512);
    expect(header.readBigUInt64LE(48)).toBe(0n);
    expect(header.readBigUInt64LE(56)).toBe(0xffff_ffff_ffff_ffffn);
    expect(header.readBigUInt64LE(64)).toBe(128n);
    expect([...header.subarray(72, 77)]).toEqual([0, 0x0a, 0x20, 0x0d, 0x0a]);
    expect(header.readUInt16LE(77)).toBe(1);
    expect(header.subarray(79).every((byte) => byte === 0)).toBe(true);
  });

  it('grain begins with its sector and length and fills whole sectors', () => {
    for (const length of [1, 499, 500, 501, 66_000]) {
      const record = Buffer.concat(grainParts(3, Buffer.alloc(length, 7)));
      expect(record.readBigUInt64LE(0)).toBe(384n);
      expect(record.readUInt32LE(8)).toBe(length);
      expect(record.subarray(12, 12 + length).every((byte) => byte === 7)).toBe(true);
      expect(record.length).toBe(Math.ceil((12 + length) / 512) * 512);
    }
  });

  it('marker names the sectors that follow', () => {
    const record = marked(MARKER.grainTable, Buffer.alloc(2048, 1));
    expect(record.length).toBe(512 + 2048);
    expect([record.readBigUInt64LE(0), record.readUInt32LE(8), record.readUInt32LE(12)]).toEqual([4n, 0, 1]);
    expect(marked(MARKER.endOfStream).equals(Buffer.alloc(512))).toBe(true);
  });

  it.each([
    [20 * GiB, 2610],
    [40 * GiB, 5221],
    [512, 1],
    [2048 * GiB, 65_535],
  ])('descriptor of %i bytes says %i cylinders', (bytes, cylinders) => {
    const text = vmdkDescriptor('x-disk1.vmdk', bytes);
    expect(text).toContain(`ddb.geometry.cylinders = "${cylinders}"\n`);
    expect(text).toContain('ddb.geometry.heads = "255"\nddb.geometry.sectors = "63"\n');
    expect(text).toContain(`RW ${bytes / 512} SPARSE "x-disk1.vmdk"\n`);
    expect(text).toContain('createType="streamOptimized"\n');
    expect(text).toContain('ddb.adapterType = "lsilogic"\n');
  });

  it('content id is that of the name and ends with the CID', () => {
    const ids = (name: string): readonly (string | undefined)[] => {
      const text = vmdkDescriptor(name, GiB);
      return [/^CID=([0-9a-f]{8})$/m.exec(text)?.[1], /longContentID = "([0-9a-f]{32})"/.exec(text)?.[1]];
    };
    const [cid, long] = ids('a');
    expect(long?.endsWith(cid ?? 'none')).toBe(true);
    expect(ids('a')).toEqual([cid, long]);
    expect(ids('b')[0]).not.toBe(cid);
  });

  it('start has room for any name an image can have', () => {
    expect(vmdkStart('n'.repeat(255), GiB).length).toBe(64 * KiB);
    expect(() => vmdkStart('n'.repeat(10_240), GiB)).toThrow(RangeError);
  });
});
