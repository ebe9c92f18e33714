import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { MiB } from '../core/index.ts';

/** Writes under way at a time; with other work in Node's thread pool each waits for a thread. */
const WRITES_AHEAD = 4;
const BLOCK_BYTES = MiB;

/** Bytes and where they belong in the file. */
export interface Placed {
  readonly data: Buffer;
  readonly position: number;
}

/** Opens a new file for writing at any place, and closes it afterwards. */
export async function withNewFile<T>(path: string, work: (file: FileWriter) => Promise<T>): Promise<T> {
  const handle = await open(path, 'wx');
  const file = new FileWriter(handle);
  try {
    const result = await work(file);
    await file.drain();
    return result;
  } finally {
    await file.settle();
    await handle.close();
  }
}

/** Writes to a file while the caller goes on. The first failure comes out of the next call. */
export class FileWriter {
  readonly #handle: FileHandle;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Sets the length of the file; what is new is a hole. */
  async truncate(bytes: number): Promise<void> {
    await this.#handle.truncate(bytes);
  }

  /** Resolves when there may be more, not when the bytes are written: until `onWritten` is called they must not change. */
  async write(bytes: readonly Placed[], onWritten: () => void = () => {}): Promise<void> {
    while (this.#underWay.size >= WRITES_AHEAD) await Promise.race(this.#underWay);
    this.#check();
    const writing = this.#writeAll(bytes)
      .then(onWritten)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#underWay.delete(writing));
    this.#underWay.add(writing);
  }

  /** Waits until all is written. */
  async drain(): Promise<void> {
    await this.settle();
    this.#check();
  }

  /** Waits until nothing is under way, whatever became of it. */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #writeAll(bytes: readonly Placed[]): Promise<void> {
    for (const { data, position } of bytes) {
      for (let done = 0; done < data.length; ) {
        const { bytesWritten } = await this.#handle.write(data, done, data.length - done, position + done);
        done += bytesWritten;
      }
    }
  }
}

/** How much may be appended, and what is thrown when it is more. */
export interface AppendLimit {
  readonly bytes: number;
  readonly error: () => Error;
}

/** Appends to a file from a position on, in large blocks, and computes the SHA-256 of what passes. */
export class HashingAppender {
  readonly #file: FileWriter;
  readonly #start: number;
  readonly #limit: AppendLimit | undefined;
  readonly #hash = createHash('sha256');
  readonly #free: Buffer[] = [];
  #block: Buffer = Buffer.allocUnsafe(BLOCK_BYTES);
  #used = 0;
  #flushed = 0;

  constructor(file: FileWriter, start: number, limit?: AppendLimit) {
    this.#file = file;
    this.#start = start;
    this.#limit = limit;
  }

  /** Bytes appended so far. */
  get bytes(): number {
    return this.#flushed + this.#used;
  }

  async append(bytes: Buffer): Promise<void> {
    if (this.#limit !== undefined && this.bytes + bytes.length > this.#limit.bytes) throw this.#limit.error();
    for (let done = 0; done < bytes.length; ) {
      const count = bytes.copy(this.#block, this.#used, done);
      done += count;
      this.#used += count;
      if (this.#used === this.#block.length) await this.#flush();
    }
  }

  /** Hands the rest on to the file; lower-case hex digest. */
  async finish(): Promise<string> {
    await this.#flush();
    return this.#hash.digest('hex');
  }

  async #flush(): Promise<void> {
    const block = this.#block;
    const data = block.subarray(0, this.#used);
    const position = this.#start + this.#flushed;
    this.#hash.update(data);
    this.#flushed += data.length;
    this.#block = this.#free.pop() ?? Buffer.allocUnsafe(BLOCK_BYTES);
    this.#used = 0;
    await this.#file.write([{ data, position }], () => this.#free.push(block));
  }
}
