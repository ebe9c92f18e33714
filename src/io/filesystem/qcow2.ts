import { inflateRawSync } from 'node:zlib';
import { type ByteSource, FileSource } from './byte-source.ts';
import { UnreadableError } from './file-system.ts';

/** Layout and names of QEMU docs/interop/qcow2.rst. */
const MAGIC = 0x514649fb;
const COMPRESSION_TYPE = 1n << 3n;
/** Incompatible features that change nothing for a reader: the image was not closed properly, or marked corrupt. */
const HARMLESS = 0b11n | COMPRESSION_TYPE;
const OFFSET = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const ALL_ZEROES = 1n;
const SECTOR = 512;
/** Decompressed clusters that are kept: 4 MiB of the usual 64 KiB. */
const MAX_KEPT = 64;

interface Layout {
  readonly bytes: number;
  readonly clusterBits: number;
  readonly l1: readonly bigint[];
}

/**
 * The guest's view of a qcow2 image that stands alone, without converting it: a few files are read in milliseconds. Undefined for what is no
 * qcow2; throws UnreadableError for a kind it does not know (backing file, encryption, zstd, subclusters). Disposing closes it.
 */
export class Qcow2Source implements ByteSource, AsyncDisposable {
  readonly bytes: number;
  readonly #file: FileSource;
  readonly #layout: Layout;
  readonly #tables = new Map<number, Buffer>();
  readonly #inflated = new Map<bigint, Buffer>();

  private constructor(file: FileSource, layout: Layout) {
    this.#file = file;
    this.#layout = layout;
    this.bytes = layout.bytes;
  }

  static async open(path: string, signal: AbortSignal): Promise<Qcow2Source | undefined> {
    const file = await FileSource.open(path, signal);
    try {
      const layout = await readLayout(file);
      if (layout !== undefined) return new Qcow2Source(file, layout);
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
    await file[Symbol.asyncDispose]();
    return undefined;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || offset + length > this.bytes) {
      throw new RangeError(`wanted bytes ${offset} to ${offset + length}, but there are ${this.bytes}`);
    }
    const clusterBytes = 2 ** this.#layout.clusterBits;
    const result = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const within = (offset + done) % clusterBytes;
      const count = Math.min(clusterBytes - within, length - done);
      (await this.#readCluster(Math.floor((offset + done) / clusterBytes), within, count))?.copy(result, done);
      done += count;
    }
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  /** A stretch of one cluster; undefined where it is all zeroes. */
  async #readCluster(cluster: number, within: number, count: number): Promise<Buffer | undefined> {
    const entry = await this.#entry(cluster);
    if ((entry & COMPRESSED) !== 0n) return (await this.#inflate(entry)).subarray(within, within + count);
    const offset = Number(entry & OFFSET);
    if (offset === 0 || (entry & ALL_ZEROES) !== 0n) return undefined;
    return this.#file.read(offset + within, Math.min(count, Math.max(0, this.#file.bytes - offset - within)));
  }

  async #entry(cluster: number): Promise<bigint> {
    const { clusterBits, l1 } = this.#layout;
    const entries = 2 ** (clusterBits - 3);
    const index = Math.floor(cluster / entries);
    const offset = Number((l1[index] ?? 0n) & OFFSET);
    if (offset === 0) return 0n;
    const table = this.#tables.get(index) ?? (await this.#file.read(offset, 2 ** clusterBits));
    this.#tables.set(index, table);
    return table.readBigUInt64BE((cluster % entries) * 8);
  }

  async #inflate(entry: bigint): Promise<Buffer> {
    const known = this.#inflated.get(entry);
    if (known !== undefined) return known;
    const { clusterBits } = this.#layout;
    const split = BigInt(62 - (clusterBits - 8));
    const start = Number(entry & ((1n << split) - 1n));
    const sectors = Number((entry & ~(3n << 62n)) >> split) + 1;
    const end = Math.min(this.#file.bytes, Math.floor(start / SECTOR) * SECTOR + sectors * SECTOR);
    const clusterBytes = 2 ** clusterBits;
    const content = inflateRawSync(await this.#file.read(start, end - start), { maxOutputLength: clusterBytes });
    if (content.length !== clusterBytes) throw new UnreadableError('a compressed cluster that is too short');
    if (this.#inflated.size >= MAX_KEPT) this.#inflated.clear();
    this.#inflated.set(entry, content);
    return content;
  }
}

async function readLayout(file: FileSource): Promise<Layout | undefined> {
  if (file.bytes < SECTOR) return undefined;
  const header = await file.read(0, SECTOR);
  if (header.readUInt32BE(0) !== MAGIC) return undefined;
  const isNew = header.readUInt32BE(4) >= 3;
  const features = isNew ? header.readBigUInt64BE(72) : 0n;
  const clusterBits = header.readUInt32BE(20);
  if (header.readBigUInt64BE(8) !== 0n) throw new UnreadableError('a qcow2 image with a backing file');
  if (header.readUInt32BE(32) !== 0) throw new UnreadableError('an encrypted qcow2 image');
  if ((features & ~HARMLESS) !== 0n) throw new UnreadableError(`a qcow2 image with the features 0x${features.toString(16)}`);
  if ((features & COMPRESSION_TYPE) !== 0n && header.readUInt8(104) !== 0) throw new UnreadableError('a qcow2 image with zstd');
  if (clusterBits < 9 || clusterBits > 21) throw new UnreadableError(`a qcow2 image with clusters of 2^${clusterBits} bytes`);
  const entries = header.readUInt32BE(36);
  const table = await file.read(Number(header.readBigUInt64BE(40)), entries * 8);
  const l1 = Array.from({ length: entries }, (_, index) => table.readBigUInt64BE(index * 8));
  return { bytes: Number(header.readBigUInt64BE(24)), clusterBits, l1 };
}
