import { z } from 'zod';
import { type Context, type DigestAlgorithm, sha256 } from '../core/index.ts';
import { fileStamp } from '../io/file-stamp.ts';
import { type Digested, hashFile } from '../io/hash.ts';
import { cachePath, readCacheFile, writeCacheFile } from './cache-file.ts';

/** What is remembered of a file, so that it need not be read again while it is untouched: see `fileStamp`. */
const knownSchema = z.object({
  v: z.literal(1),
  stamp: z.string(),
  bytes: z.number(),
  digests: z.object({ sha256: z.string(), sha512: z.string().optional() }),
});

/** Digests of a file of this host, from memory while it is untouched since it was read. Throws the file system's error. */
export async function fileDigests(
  path: string,
  algorithm: DigestAlgorithm,
  context: Context & { readonly onProgress?: (done: number) => void },
): Promise<Digested> {
  const record = cachePath(context, 'files', `${sha256(path)}.json`);
  const stamp = await fileStamp(path);
  const known = await readCacheFile(record, knownSchema);
  if (known !== undefined && known.stamp === stamp && known.digests[algorithm] !== undefined) {
    return { bytes: known.bytes, digests: { sha512: undefined, ...known.digests } };
  }
  const read = await hashFile(path, algorithm, context);
  // A file that was written meanwhile has another stamp, and its digest is of neither version.
  if (stamp === (await fileStamp(path))) await writeCacheFile(record, { v: 1, stamp, ...read }, context);
  return read;
}
