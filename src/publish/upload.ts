import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { cpus } from 'node:os';
import type { EbsDirect } from '../aws/ebs.ts';
import { type Context, GiB, isKibError, KiB, retry, throwIfAborted } from '../core/index.ts';
import { type DiskReader, dataStretches } from '../export/disk-data.ts';
import type { UploadState } from './upload-state.ts';

/** The one size of blocks that EBS direct has (StartSnapshot: BlockSize). */
export const BLOCK_BYTES = 512 * KiB;
/** `dataStretches` takes divisors of its own piece size. */
const ALIGN = 256 * KiB;
const ATTEMPTS = 6;
/** Each block in flight costs its bytes; EBS allows 1000 puts per second and account. */
export const PARALLEL = Math.min(64, Math.max(16, cpus().length * 8));

export interface Upload {
  readonly ebs: EbsDirect;
  readonly disk: DiskReader;
  /** Virtual size. */
  readonly bytes: number;
  readonly state: UploadState;
  readonly parallel?: number;
}

/** What was sent, for completing the snapshot. */
export interface Uploaded {
  /** Blocks with data, those of earlier runs too. */
  readonly blocks: number;
  /** SHA-256 over the digests of all blocks in order, base64 (CompleteSnapshot: LINEAR). */
  readonly checksum: string;
  readonly skipped: number;
}

/** Sends every block that is not zero and was not sent yet, many at a time. A block that fails is tried again by itself. */
export async function uploadBlocks(
  { ebs, disk, bytes, state, parallel = PARALLEL }: Upload,
  context: Context,
): Promise<Uploaded> {
  const { span } = context;
  const stretches = await dataStretches(disk, bytes, ALIGN, context.signal);
  const wanted = blocksOf(stretches);
  const left = wanted.filter((index) => !state.sent.has(index));
  const reused = wanted.length - left.length;
  if (reused > 0) span.note(`${reused} blocks are there already`);
  let done = reused;
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  // Each block in flight listens.
  setMaxListeners(0, signal);
  const worker = async (): Promise<void> => {
    const buffer = Buffer.alloc(BLOCK_BYTES);
    for (let index = left.shift(); index !== undefined; index = left.shift()) {
      throwIfAborted(signal);
      const length = Math.min(BLOCK_BYTES, bytes - index * BLOCK_BYTES);
      buffer.fill(0, length);
      await disk.read(index * BLOCK_BYTES, buffer.subarray(0, length));
      if (!isZero(buffer)) await putBlock(ebs, state, index, buffer, { ...context, signal });
      span.progress(++done * BLOCK_BYTES, wanted.length * BLOCK_BYTES, 'bytes');
    }
  };
  const workers = Array.from({ length: Math.min(parallel, left.length) }, async () => {
    try {
      await worker();
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const settled = await Promise.allSettled(workers);
  throwIfAborted(context.signal);
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw stop.signal.reason;
  const total = Math.ceil(bytes / BLOCK_BYTES);
  return { blocks: state.sent.size, checksum: aggregate(state.sent), skipped: total - state.sent.size };
}

async function putBlock(
  ebs: EbsDirect,
  state: UploadState,
  index: number,
  data: Buffer,
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
): Promise<void> {
  const digest = createHash('sha256').update(data).digest('base64');
  const block = {
    SnapshotId: state.snapshotId,
    BlockIndex: index,
    BlockData: data,
    DataLength: data.length,
    Checksum: digest,
    ChecksumAlgorithm: 'SHA256' as const,
  };
  const when = (error: unknown): boolean => isKibError(error) && error.retryable;
  await retry({ attempts: ATTEMPTS, delayMs: 500, clock, signal, when }, () => ebs.put(block, signal));
  await state.add(index, digest);
}

function blocksOf(stretches: readonly { readonly offset: number; readonly bytes: number }[]): number[] {
  const blocks = new Set<number>();
  for (const { offset, bytes } of stretches) {
    for (let at = Math.floor(offset / BLOCK_BYTES); at * BLOCK_BYTES < offset + bytes; at++) blocks.add(at);
  }
  return [...blocks].sort((a, b) => a - b);
}

function aggregate(sent: ReadonlyMap<number, string>): string {
  const hash = createHash('sha256');
  for (const [, digest] of [...sent].sort(([a], [b]) => a - b)) hash.update(Buffer.from(digest, 'base64'));
  return hash.digest('base64');
}

const ZEROES = Buffer.alloc(BLOCK_BYTES);

function isZero(block: Buffer): boolean {
  return block.equals(ZEROES);
}

/** Size of a volume that holds so many bytes: whole GiB. */
export function gibibytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / GiB));
}
