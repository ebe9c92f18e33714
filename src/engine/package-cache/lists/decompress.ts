import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errorMessage } from '../../../core/index.ts';
import { noteSpent } from '../../../io/spent-buffers.ts';

/** In order of preference: gzip takes the least time. */
export const COMPRESSIONS = ['.gz', '.xz'] as const;
/** Suffix of a file's name. */
export type Compression = (typeof COMPRESSIONS)[number];

/** Thrown when bytes are not what their suffix says. */
export class DecompressError extends Error {}

/** Gives `take` what was compressed, piece by piece. Throws DecompressError, and what `chunks` throws. */
export async function decompress(
  chunks: AsyncIterable<Buffer>,
  compression: Compression,
  take: (chunk: Buffer) => void,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  async function* guarded(): AsyncGenerator<Buffer, void, void> {
    try {
      yield* chunks;
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  const takeOne = (chunk: Buffer): void => {
    take(chunk);
    noteSpent(chunk.length);
  };
  try {
    if (compression === '.xz') await unxz(guarded(), takeOne);
    else await pipeline(guarded(), createGunzip(), (text) => takeAll(text, takeOne));
  } catch (error) {
    if (failure !== undefined) throw failure.error;
    throw new DecompressError(`it cannot be decompressed: ${errorMessage(error)}`, { cause: error });
  }
}

async function takeAll(chunks: AsyncIterable<Buffer>, take: (chunk: Buffer) => void): Promise<void> {
  for await (const chunk of chunks) take(chunk);
}

/** The module is loaded when it is needed: most lists are there as gzip too. Node finds no names in it, only what it exports as a whole. */
async function unxz(chunks: AsyncIterable<Buffer>, take: (chunk: Buffer) => void): Promise<void> {
  const { XzReadableStream } = (await import('xz-decompress')).default;
  const input = Readable.from(chunks);
  try {
    const reader = new XzReadableStream(Readable.toWeb(input) as ReadableStream<Uint8Array>).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const { buffer, byteOffset, byteLength } = part.value;
      take(Buffer.from(buffer, byteOffset, byteLength));
    }
  } finally {
    // It reads on by itself, and whoever opened the chunks closes them next.
    input.destroy();
  }
}
