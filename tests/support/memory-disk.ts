import type { DiskReader } from '../../src/export/disk-data.ts';
import type { Extent } from '../../src/io/nbd.ts';

/** A disk in memory; what is not in `holes` is said to hold data. Reads answer later and out of order. */
export class MemoryDisk implements DiskReader {
  /** Stretches that were read, in the order they were asked for. */
  readonly reads: { readonly offset: number; readonly bytes: number }[] = [];
  readonly #content: Buffer;
  readonly #map: readonly Extent[];

  /** `content` must be zero where `map` says so; extents follow each other from 0 on. */
  constructor(content: Buffer, map: readonly Extent[] = [{ offset: 0, bytes: content.length, isZero: false }]) {
    this.#content = content;
    this.#map = map;
  }

  async read(offset: number, target: Buffer): Promise<void> {
    this.reads.push({ offset, bytes: target.length });
    for (let turns = this.reads.length % 5; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    this.#content.copy(target, 0, offset, offset + target.length);
  }

  /** One extent at a time; the last one is not cut to what was asked for, as servers may do. */
  async extents(offset: number): Promise<readonly Extent[]> {
    await Promise.resolve();
    const extent = this.#map.find((candidate) => offset < candidate.offset + candidate.bytes);
    if (extent === undefined) throw new Error(`nothing at ${offset}`);
    return [{ offset, bytes: extent.offset + extent.bytes - offset, isZero: extent.isZero }];
  }
}

/** How a stretch of a disk is made; `zeroes` are data that happen to be zero. */
export interface Stretch {
  readonly kind: 'hole' | 'zeroes' | 'noise' | 'text' | 'byte';
  readonly bytes: number;
}

/** A disk of these stretches, one after the other; the same ones give the same bytes. */
export function diskOf(stretches: readonly Stretch[]): { readonly content: Buffer; readonly disk: MemoryDisk } {
  const parts = stretches.map(({ kind, bytes }, index) => fill(kind, bytes, index));
  let offset = 0;
  const map = stretches
    .filter(({ bytes }) => bytes > 0)
    .map(({ kind, bytes }): Extent => {
      offset += bytes;
      return { offset: offset - bytes, bytes, isZero: kind === 'hole' };
    });
  const content = Buffer.concat(parts);
  return { content, disk: new MemoryDisk(content, map) };
}

function fill(kind: Stretch['kind'], bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (kind === 'byte' && bytes > 0) buffer[Math.floor(bytes / 2)] = 1;
  if (kind === 'text') buffer.fill(`stretch ${seed}, `);
  if (kind === 'noise') {
    let state = seed + 1;
    for (let at = 0; at < bytes; at++) {
      // xorshift32 (Marsaglia 2003): does not compress, needs no seed of its own.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      buffer[at] = state;
    }
  }
  return buffer;
}
