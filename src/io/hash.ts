import { createHash, type Hash } from 'node:crypto';
import { type DigestAlgorithm, readChunks } from '../core/index.ts';

/** Length and lower-case hex digests of some bytes. */
export interface Digested {
  readonly bytes: number;
  readonly digests: Readonly<Record<DigestAlgorithm, string | undefined>> & { readonly sha256: string };
}

/** Computes SHA-256, and SHA-512 when asked for, over the same bytes in one go. */
export class Hasher {
  readonly #hashes = new Map<DigestAlgorithm, Hash>();
  #bytes = 0;

  constructor(algorithm: DigestAlgorithm) {
    for (const name of new Set<DigestAlgorithm>(['sha256', algorithm])) this.#hashes.set(name, createHash(name));
  }

  get bytes(): number {
    return this.#bytes;
  }

  update(chunk: Buffer): void {
    for (const hash of this.#hashes.values()) hash.update(chunk);
    this.#bytes += chunk.length;
  }

  /** Ends the computation; the hasher cannot be used any more. */
  digest(): Digested {
    const hex = (name: DigestAlgorithm) => this.#hashes.get(name)?.digest('hex');
    return { bytes: this.#bytes, digests: { sha256: hex('sha256') ?? '', sha512: hex('sha512') } };
  }
}

/** Digests of a file. Throws the file system's error, or KIB_CANCELLED. */
export async function hashFile(
  path: string,
  algorithm: DigestAlgorithm,
  options: { readonly signal: AbortSignal; readonly onProgress?: (done: number) => void },
): Promise<Digested> {
  const hasher = new Hasher(algorithm);
  for await (const chunk of readChunks(path, options.signal)) {
    hasher.update(chunk);
    options.onProgress?.(hasher.bytes);
  }
  return hasher.digest();
}
