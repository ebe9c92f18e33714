import { GiB, KiB, throwIfAborted } from '../core/index.ts';
import type { Extent, Stretch } from '../io/nbd.ts';
import { inOrder } from './in-order.ts';

/** A disk that can be read in any order, several stretches at a time: an NbdConnection. */
export interface DiskReader {
  /** Fills `target` with what lies at `offset`. */
  read(offset: number, target: Buffer): Promise<void>;
  /** What the start of a stretch consists of; never nothing, but maybe less than was asked for. */
  extents(offset: number, bytes: number): Promise<readonly Extent[]>;
}

/** Bytes of a disk from `offset` on. They are valid until `release` is called, once. */
export interface Piece {
  readonly offset: number;
  readonly data: Buffer;
  readonly release: () => void;
}

/** Large enough to read well, small enough that work on several pieces at a time is spread evenly. */
export const PIECE_BYTES = 256 * KiB;
/** Less than the 4 GiB that one question to an NBD server can be about. */
const MAP_BYTES = GiB;

/**
 * The stretches of a disk that may hold data, in order, widened to multiples of `align` (the last one may end with the disk) and merged. All
 * between them is zero. `align` divides 256 KiB.
 */
export async function dataStretches(
  disk: DiskReader,
  bytes: number,
  align: number,
  signal: AbortSignal,
): Promise<readonly Stretch[]> {
  const found: { offset: number; bytes: number }[] = [];
  for (let offset = 0; offset < bytes; ) {
    throwIfAborted(signal);
    for (const extent of await disk.extents(offset, Math.min(MAP_BYTES, bytes - offset))) {
      // The last one may reach beyond what was asked for.
      const end = Math.min(extent.offset + extent.bytes, bytes);
      if (!extent.isZero) addAligned(found, extent.offset, end, align, bytes);
      offset = end;
    }
  }
  return found;
}

/**
 * Lets `work` have the stretches piece by piece, up to `limit` pieces at a time, and yields its results in order. Pieces are of at most 256
 * KiB; they begin where a stretch does or at multiples of that.
 */
export async function* eachPiece<T>(
  disk: DiskReader,
  stretches: readonly Stretch[],
  limit: number,
  signal: AbortSignal,
  work: (piece: Piece) => Promise<T>,
): AsyncGenerator<T, void, void> {
  // New buffers for each piece would make half of the work the garbage collector's.
  const free: Buffer[] = [];
  yield* inOrder(pieces(stretches), limit, async ({ offset, bytes }) => {
    throwIfAborted(signal);
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
    const data = buffer.subarray(0, bytes);
    await disk.read(offset, data);
    return work({ offset, data, release: () => free.push(buffer) });
  });
}

/** Bytes of all stretches together. */
export function totalBytes(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { bytes }) => sum + bytes, 0);
}

function addAligned(found: { offset: number; bytes: number }[], from: number, to: number, align: number, limit: number): void {
  const start = Math.floor(from / align) * align;
  const end = Math.min(Math.ceil(to / align) * align, limit);
  const last = found.at(-1);
  if (last !== undefined && last.offset + last.bytes >= start) last.bytes = Math.max(last.offset + last.bytes, end) - last.offset;
  else found.push({ offset: start, bytes: end - start });
}

function* pieces(stretches: readonly Stretch[]): Generator<Stretch, void, void> {
  for (const { offset, bytes } of stretches) {
    for (let at = offset; at < offset + bytes; ) {
      const end = Math.min(offset + bytes, (Math.floor(at / PIECE_BYTES) + 1) * PIECE_BYTES);
      yield { offset: at, bytes: end - at };
      at = end;
    }
  }
}
