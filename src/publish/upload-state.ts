import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { canonicalJson, systemCode } from '../core/index.ts';

/** What an upload is of and to: another one is another upload. */
export interface UploadIdentity {
  readonly region: string;
  readonly endpoint: string;
  /** Absolute path, size, time and inode of the file. */
  readonly source: string;
  readonly volumeGiB: number;
  readonly encryption: string;
}

const headSchema = z.object({ v: z.literal(1), identity: z.string(), snapshotId: z.string(), resource: z.string() });
const lineSchema = z.tuple([z.number().int().nonnegative(), z.string()]);

/**
 * What of a snapshot has been sent, kept in a file so that a later run goes on where this one was cut off: a line of JSON for the snapshot, then
 * one for each block, its index and digest (base64).
 */
export class UploadState implements AsyncDisposable {
  readonly snapshotId: string;
  /** What the snapshot is tagged with. */
  readonly resource: string;
  /** Digests by block. */
  readonly sent: Map<number, string>;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(
    path: string,
    file: FileHandle,
    head: { readonly snapshotId: string; readonly resource: string },
    sent: Map<number, string>,
  ) {
    this.#path = path;
    this.#file = file;
    this.snapshotId = head.snapshotId;
    this.resource = head.resource;
    this.sent = sent;
  }

  /** What an earlier run left of the same upload; undefined when there is none. */
  static async resume(path: string, identity: UploadIdentity): Promise<UploadState | undefined> {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return '';
      throw error;
    });
    // A killed run may have left half a line.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const [first = '', ...lines] = whole.split('\n').filter((line) => line !== '');
    const head = headSchema.safeParse(parse(first));
    if (!head.success || head.data.identity !== canonicalJson(identity)) return undefined;
    const sent = new Map(
      lines.flatMap((line) => {
        const block = lineSchema.safeParse(parse(line));
        return block.success ? [block.data] : [];
      }),
    );
    const file = await open(path, 'r+');
    await file.truncate(Buffer.byteLength(whole));
    await file.close();
    return new UploadState(path, await open(path, 'a', 0o600), head.data, sent);
  }

  static async begin(path: string, identity: UploadIdentity, snapshotId: string, resource: string): Promise<UploadState> {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'w', 0o600);
    await file.write(`${JSON.stringify({ v: 1, identity: canonicalJson(identity), snapshotId, resource })}\n`);
    return new UploadState(path, file, { snapshotId, resource }, new Map());
  }

  async add(index: number, digest: string): Promise<void> {
    this.sent.set(index, digest);
    await this.#file.write(`${JSON.stringify([index, digest])}\n`);
  }

  /** The snapshot is complete, or of no use: nothing to go on with. */
  async forget(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
