import { type FileHandle, open } from 'node:fs/promises';
import { throwIfAborted } from '../../core/index.ts';

/** Random access to a stretch of bytes, read-only. */
export interface ByteSource {
  readonly bytes: number;
  /** Exactly `length` bytes; throws RangeError when they are not all there. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** A file of this host as a ByteSource; disposing closes it. */
export class FileSource implements ByteSource, AsyncDisposable {
  readonly bytes: number;
  readonly #handle: FileHandle;
  readonly #signal: AbortSignal;

  private constructor(handle: FileHandle, bytes: number, signal: AbortSignal) {
    this.#handle = handle;
    this.bytes = bytes;
    this.#signal = signal;
  }

  static async open(path: string, signal: AbortSignal): Promise<FileSource> {
    const handle = await open(path, 'r');
    const { size } = await handle.stat();
    return new FileSource(handle, size, signal);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    throwIfAborted(this.#signal);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await this.#handle.read(buffer, 0, length, offset);
    if (bytesRead !== length) throw beyondEnd(offset, length, this.bytes);
    return buffer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** A part of another source, counted from its own start. */
export function slice(source: ByteSource, start: number, bytes: number): ByteSource {
  return {
    bytes,
    async read(offset, length) {
      if (offset < 0 || offset + length > bytes) throw beyondEnd(offset, length, bytes);
      return source.read(start + offset, length);
    },
  };
}

function beyondEnd(offset: number, length: number, bytes: number): RangeError {
  return new RangeError(`wanted bytes ${offset} to ${offset + length}, but there are ${bytes}`);
}
