import { throwIfAborted } from '../core/index.ts';

import { Deflater } from './deflate.ts';
import { type DiskReader, dataStretches, eachPiece, type Piece, totalBytes } from './disk-data.ts';
import { percentProgress } from './progress.ts';
import { GRAIN_BYTES, grainParts, MARKER, marked, SECTOR, sparseHeader, TABLE_ENTRIES, vmdkStart } from './vmdk-format.ts';

export interface VmdkRequest {
  readonly disk: DiskReader;
  readonly capacityBytes: number;
  /** The file's name, for its descriptor. */
  readonly name: string;
  /** Takes the file's bytes in order; resolves when there may be more. */
  readonly write: (bytes: Buffer) => Promise<void>;
  /** Share done, from 0 to 100. */
  readonly onProgress: (percent: number) => void;
  readonly signal: AbortSignal;
}

export interface VmdkFile {
  /** Bytes of the file. */
  readonly bytes: number;
  /** Bytes of the disk that hold data, whole grains of 64 KiB. */
  readonly populatedBytes: number;
}

/**
 * Pieces of four grains at a time. Node's thread pool has four threads unless UV_THREADPOOL_SIZE says otherwise; the rest is being read, or
 * waits for its turn to be written.
 */
const PIECES_AHEAD = 5;
/** zlib's default level with a larger hash table: with Node's zlib 1 % larger than with others, in two thirds of their time. */
const DEFLATE = { level: 5, memLevel: 9, chunkSize: GRAIN_BYTES };

const ZERO_GRAIN = Buffer.alloc(GRAIN_BYTES);

/** A grain as it goes into the file; nothing when it is all zeroes. */
interface Grain {
  readonly number: number;
  /** How much of it the disk has: less than 64 KiB at its end. */
  readonly bytes: number;
  readonly deflated: Buffer | undefined;
}

/**
 * Writes a disk as streamOptimized VMDK, from the first byte to the last. What holds nothing is not read, grains that are all zeroes are left
 * out. The same content, size and name give the same bytes.
 */
export async function writeStreamOptimizedVmdk(request: VmdkRequest): Promise<VmdkFile> {
  const { disk, capacityBytes, signal } = request;
  const stretches = await dataStretches(disk, capacityBytes, GRAIN_BYTES, signal);
  const progress = percentProgress(totalBytes(stretches), request.onProgress);
  using deflater = new Deflater(DEFLATE);
  const tables = new TableWriter(capacityBytes, request.write);
  await tables.put(vmdkStart(request.name, capacityBytes));
  let done = 0;
  let populatedBytes = 0;
  for await (const grains of eachPiece(disk, stretches, PIECES_AHEAD, signal, (piece) => compress(piece, deflater))) {
    for (const { number, bytes, deflated } of grains) {
      done += bytes;
      if (deflated === undefined) continue;
      populatedBytes += bytes;
      await tables.putGrain(number, deflated);
    }
    throwIfAborted(signal);
    progress(done);
  }
  return { bytes: await tables.finish(), populatedBytes };
}

async function compress({ offset, data, release }: Piece, deflater: Deflater): Promise<readonly Grain[]> {
  const starts = Array.from({ length: Math.ceil(data.length / GRAIN_BYTES) }, (_, index) => index * GRAIN_BYTES);
  const grains = await Promise.all(
    starts.map(async (at): Promise<Grain> => {
      const part = data.subarray(at, at + GRAIN_BYTES);
      // A grain is always whole; the capacity says where the disk ends.
      const whole = part.length === GRAIN_BYTES ? part : Buffer.concat([part], GRAIN_BYTES);
      const deflated = whole.equals(ZERO_GRAIN) ? undefined : await deflater.deflate(whole);
      return { number: (offset + at) / GRAIN_BYTES, bytes: part.length, deflated };
    }),
  );
  release();
  return grains;
}

/** Keeps the tables that say where each grain lies, and writes each when the grains go on beyond it. */
class TableWriter {
  readonly #capacityBytes: number;
  readonly #write: (bytes: Buffer) => Promise<void>;
  readonly #directory: Buffer;
  readonly #table = Buffer.alloc(TABLE_ENTRIES * 4);
  /** Number of the table being filled. */
  #current: number | undefined;
  #bytes = 0;

  constructor(capacityBytes: number, write: (bytes: Buffer) => Promise<void>) {
    const tables = Math.ceil(capacityBytes / (TABLE_ENTRIES * GRAIN_BYTES));
    this.#capacityBytes = capacityBytes;
    this.#write = write;
    this.#directory = Buffer.alloc(tables * 4);
  }

  async put(bytes: Buffer): Promise<void> {
    this.#bytes += bytes.length;
    await this.#write(bytes);
  }

  async putGrain(grain: number, deflated: Buffer): Promise<void> {
    const table = Math.floor(grain / TABLE_ENTRIES);
    if (table !== this.#current) await this.#putTable();
    this.#current = table;
    this.#table.writeUInt32LE(this.#nextSector, (grain % TABLE_ENTRIES) * 4);
    for (const part of grainParts(grain, deflated)) await this.put(part);
  }

  /** Writes what is left, directory and footer; returns the bytes of the whole file. */
  async finish(): Promise<number> {
    await this.#putTable();
    const directory = BigInt(this.#nextSector + 1);
    await this.put(marked(MARKER.grainDirectory, this.#directory));
    await this.put(marked(MARKER.footer, sparseHeader(this.#capacityBytes, directory)));
    await this.put(marked(MARKER.endOfStream));
    return this.#bytes;
  }

  get #nextSector(): number {
    return this.#bytes / SECTOR;
  }

  async #putTable(): Promise<void> {
    if (this.#current === undefined) return;
    // The directory points behind the marker.
    this.#directory.writeUInt32LE(this.#nextSector + 1, this.#current * 4);
    await this.put(marked(MARKER.grainTable, this.#table));
    this.#table.fill(0);
  }
}
