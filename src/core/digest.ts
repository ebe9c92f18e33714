import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

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

/** Lower-case hex digest of a file, read as a stream. Throws the file system's error, or the signal's reason. */
export async function digestFile(path: string, algorithm: DigestAlgorithm, signal?: AbortSignal): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

/** JSON with object keys sorted and undefined members left out, so that equal values give equal text (RFC 8785's idea). */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : member,
  );
}
