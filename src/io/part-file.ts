import { type FileHandle, open, readFile, rm, writeFile } from 'node:fs/promises';
import { MiB } from '../core/index.ts';

/** What a half downloaded file is half of; kept beside it as `<path>.json`. */
interface PartRecord {
  readonly url: string;
  /** Strong ETag or Last-Modified of the version the bytes are from (RFC 9110 §13.1.5: If-Range). */
  readonly validator: string;
}

/** A download that may be resumed: the bytes so far and the version they belong to. */
export class PartFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #url: string;
  #bytes: number;
  #validator: string | undefined;

  private constructor(path: string, handle: FileHandle, url: string, bytes: number, validator: string | undefined) {
    this.path = path;
    this.#handle = handle;
    this.#url = url;
    this.#bytes = bytes;
    this.#validator = validator;
  }

  /** Opens or creates the file; what is there counts only when its record names the same URL. */
  static async open(path: string, url: string): Promise<PartFile> {
    const record = await readRecord(path);
    const handle = await open(path, 'a+', 0o600);
    const { size } = await handle.stat();
    const part = new PartFile(path, handle, url, size, record?.url === url ? record.validator : undefined);
    if (part.#validator === undefined) await part.restart(undefined);
    return part;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The version to ask for with If-Range; undefined when there is nothing to resume. */
  get validator(): string | undefined {
    return this.#bytes === 0 ? undefined : this.#validator;
  }

  /** Forgets the bytes; the next ones are of the version `validator` names, or cannot be resumed without one. */
  async restart(validator: string | undefined): Promise<void> {
    await rm(recordPath(this.path), { force: true });
    // Emptied before the new record is written: a record never stands beside bytes of another version.
    await this.#handle.truncate(0);
    this.#bytes = 0;
    this.#validator = validator;
    if (validator === undefined) return;
    await writeFile(recordPath(this.path), JSON.stringify({ url: this.#url, validator } satisfies PartRecord), { mode: 0o600 });
  }

  async append(chunk: Buffer): Promise<void> {
    for (let written = 0; written < chunk.length; ) {
      const { bytesWritten } = await this.#handle.write(chunk, written);
      written += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  /** The bytes so far, from the start. */
  async *read(signal: AbortSignal): AsyncIterable<Buffer> {
    const buffer = Buffer.allocUnsafe(MiB);
    for (let position = 0; position < this.#bytes; ) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#handle.read(buffer, 0, Math.min(buffer.length, this.#bytes - position), position);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
      position += bytesRead;
    }
  }

  /** Makes the bytes survive a power cut and drops the record: the file is whole. */
  async complete(): Promise<void> {
    await this.#handle.sync();
    await rm(recordPath(this.path), { force: true });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Removes a part and its record. */
export async function removePart(path: string): Promise<void> {
  await rm(recordPath(path), { force: true });
  await rm(path, { force: true });
}

function recordPath(path: string): string {
  return `${path}.json`;
}

async function readRecord(path: string): Promise<PartRecord | undefined> {
  try {
    const { url, validator } = JSON.parse(await readFile(recordPath(path), 'utf8')) as Partial<PartRecord>;
    return typeof url === 'string' && typeof validator === 'string' ? { url, validator } : undefined;
  } catch {
    return undefined;
  }
}
