import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { KiB, MiB, throwIfAborted } from '../core/index.ts';
import { type DiskReader, dataStretches, eachPiece, type Piece } from './disk-data.ts';
import type { FileWriter } from './file-writer.ts';
import { percentProgress } from './progress.ts';

export interface RawRequest {
  readonly disk: DiskReader;
  readonly capacityBytes: number;
  /** A new, empty file. */
  readonly file: FileWriter;
  /** Share done, from 0 to 100. */
  readonly onProgress: (percent: number) => void;
  readonly signal: AbortSignal;
}

/** Zeroes of this size and place become holes: what most file systems allocate at least. */
export const HOLE_BYTES = 4 * KiB;
/** As much as keeps the event loop busy for half a millisecond. */
const ZEROES = Buffer.alloc(MiB);

const READ_AHEAD = 8;

const keep = (piece: Piece): Promise<Piece> => Promise.resolve(piece);

/** Writes a disk byte for byte as a sparse file; returns its SHA-256 in lower-case hex. Holes are neither read nor written, only hashed. */
export async function writeRaw({ disk, capacityBytes, file, onProgress, signal }: RawRequest): Promise<string> {
  await file.truncate(capacityBytes);
  const hash = createHash('sha256');
  const progress = percentProgress(capacityBytes, onProgress);
  let done = 0;
  const hashZeroes = async (end: number): Promise<void> => {
    while (done < end) {
      const bytes = Math.min(end - done, ZEROES.length);
      hash.update(ZEROES.subarray(0, bytes));
      done += bytes;
      progress(done);
      // Others want to go on, too.
      await turn();
      throwIfAborted(signal);
    }
  };
  const stretches = await dataStretches(disk, capacityBytes, HOLE_BYTES, signal);
  for await (const { offset, data, release } of eachPiece(disk, stretches, READ_AHEAD, signal, keep)) {
    await hashZeroes(offset);
    hash.update(data);
    done += data.length;
    progress(done);
    const parts = Array.from(nonZeroParts(data), ({ start, end }) => ({
      data: data.subarray(start, end),
      position: offset + start,
    }));
    await file.write(parts, release);
  }
  await hashZeroes(capacityBytes);
  return hash.digest('hex');
}

/** The parts of some bytes that are left when whole blocks of zeroes are taken out, in order. */
export function* nonZeroParts(data: Buffer): Generator<{ readonly start: number; readonly end: number }, void, void> {
  let start: number | undefined;
  for (let at = 0; at < data.length; at += HOLE_BYTES) {
    const block = data.subarray(at, at + HOLE_BYTES);
    if (!block.equals(ZEROES.subarray(0, block.length))) start ??= at;
    else if (start !== undefined) {
      yield { start, end: at };
      start = undefined;
    }
  }
  if (start !== undefined) yield { start, end: data.length };
}
