import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { throwIfAborted } from './clock.ts';

/** Digest algorithms that checksum files of the supported systems use. */
export type DigestAlgorithm = 'sha256' | 'sha512';

/** A pinned digest; `hex` is lower case. */
export interface Digest {
  readonly algorithm: DigestAlgorithm;
  readonly hex: string;
}

/** Lower-case hex SHA-256 of text (UTF-8) or bytes. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Lower-case hex digest of a file. Throws the file system's error, or KIB_CANCELLED. */
export async function digestFile(path: string, algorithm: DigestAlgorithm, signal?: AbortSignal): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of readChunks(path, signal)) hash.update(chunk);
  return hash.digest('hex');
}

const CHUNK_BYTES = 1 << 20;

/**
 * The bytes of a file in order. Each chunk is only good until the next one is asked for: one buffer serves them all, since a stream's buffers
 * would pile up faster than they are collected. Throws the file system's error, or KIB_CANCELLED.
 */
export async function* readChunks(path: string, signal?: AbortSignal): AsyncGenerator<Buffer, void, void> {
  throwIfAborted(signal);
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES);
      throwIfAborted(signal);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** JSON with object keys sorted and undefined members left out, so that equal values give equal text (RFC 8785's idea). */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : member,
  );
}
