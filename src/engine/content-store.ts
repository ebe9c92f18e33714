import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Context, type Digest, errorMessage, KibError, maskUrl, type Span } from '../core/index.ts';
import { download } from '../io/download.ts';
import { withFileLock } from '../io/file-lock.ts';
import { fileStamp } from '../io/file-stamp.ts';
import { type Digested, hashFile } from '../io/hash.ts';
import type { HttpClient } from '../io/http.ts';
import { diskError } from '../io/http-error.ts';
import { removePart } from '../io/part-file.ts';
import { fileNameOf } from '../io/url.ts';
import { markUsed } from '../io/use-mark.ts';

export interface ContentRequest {
  /** http:, https: or file:. */
  readonly url: string;
  readonly digest: Digest;
}

/** A file of this host whose digest was checked. It is only ever read. */
export interface StoredContent {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** What is remembered beside a stored file, so that it need not be read again: see `fileStamp`. */
interface StoredRecord {
  readonly stamp: string;
  readonly sha256: string;
}

/** Where a download of that digest lies in the cache. */
export function contentPath(cacheDir: string, digest: Digest): string {
  return join(cacheDir, 'downloads', `${digest.algorithm}-${digest.hex}`);
}

/**
 * The file with that digest: from the cache, else downloaded into it, at most once per host at a time. A file: URL is read where it
 * lies. Reports to a `fetch` span of its own. Throws KIB_DIGEST_MISMATCH, after removing what was downloaded; KIB_HTTP, KIB_DISK_FULL.
 */
export async function fetchContent(request: ContentRequest, http: HttpClient, context: Context): Promise<StoredContent> {
  return context.span.run('fetch', fileNameOf(request.url), async (span) => {
    if (request.url.startsWith('file:')) return readInPlace(request, span, context.signal);
    const path = contentPath(context.dirs.cache, request.digest);
    try {
      await mkdir(join(context.dirs.cache, 'downloads'), { recursive: true });
      const known = await adopt(path);
      if (known !== undefined) {
        await markUsed(recordPath(path), context.clock);
        span.mark('cached');
        return known;
      }
      const onWait = () => span.note('waiting for another build that downloads it');
      return await withFileLock(path, { ...context, onWait }, async () => {
        const recovered = await adoptByReading(path, request.digest, span, context.signal);
        if (recovered !== undefined) {
          span.mark('cached');
          return recovered;
        }
        return downloadInto(path, request, http, { ...context, span });
      });
    } catch (error) {
      throw diskError(error, path);
    }
  });
}

/** KIB_DIGEST_MISMATCH, for a file that is not the one that was pinned. */
export function digestMismatch(what: string, wanted: Digest, got: string | undefined, hint: string): KibError {
  return new KibError(
    'KIB_DIGEST_MISMATCH',
    `${what} is not the file that was pinned: want ${wanted.algorithm} ${wanted.hex}, got ${got}`,
    {
      hint,
      details: { wanted: wanted.hex, got },
    },
  );
}

async function readInPlace(request: ContentRequest, span: Span, signal: AbortSignal): Promise<StoredContent> {
  const path = fileURLToPath(request.url);
  const { size } = await stat(path).catch((error: unknown) => {
    throw new KibError('KIB_HOST_PERMISSION', `cannot read ${path}: ${errorMessage(error)}`, {
      hint: 'check the folder and version that the image names',
      cause: error,
    });
  });
  const read = await hashFile(path, request.digest.algorithm, {
    signal,
    onProgress: (done) => span.progress(done, size, 'bytes'),
  });
  const got = read.digests[request.digest.algorithm];
  if (got !== request.digest.hex) throw digestMismatch(path, request.digest, got, 'replace the file, or correct the digest');
  return { path, sha256: read.digests.sha256, bytes: read.bytes };
}

async function downloadInto(path: string, request: ContentRequest, http: HttpClient, context: Context): Promise<StoredContent> {
  const { span, signal } = context;
  const part = `${path}.part`;
  const read = await download(http, {
    url: request.url,
    path: part,
    algorithm: request.digest.algorithm,
    signal,
    onProgress: (done, total) => span.progress(done, total, 'bytes'),
    onRetry: (error) => span.log('host', `trying again: ${error instanceof Error ? error.message : String(error)}`),
  });
  const got = read.digests[request.digest.algorithm];
  if (got !== request.digest.hex) {
    await removePart(part);
    const hint =
      'nothing was kept; the file on the server changed or was tampered with on the way: compare the digest with the publisher’s';
    throw digestMismatch(maskUrl(request.url), request.digest, got, hint);
  }
  await rename(part, path);
  return record(path, read);
}

/** The stored file when it is untouched since its digest was checked. */
async function adopt(path: string): Promise<StoredContent | undefined> {
  const stamp = await fileStamp(path);
  if (stamp === undefined) return undefined;
  try {
    const known = JSON.parse(await readFile(recordPath(path), 'utf8')) as Partial<StoredRecord>;
    if (known.stamp !== stamp || typeof known.sha256 !== 'string') return undefined;
    return { path, sha256: known.sha256, bytes: (await stat(path)).size };
  } catch {
    return undefined;
  }
}

/** The stored file when reading it gives its digest; a file that does not is removed. Only for the holder of the lock. */
async function adoptByReading(path: string, digest: Digest, span: Span, signal: AbortSignal): Promise<StoredContent | undefined> {
  const known = await adopt(path);
  if (known !== undefined || (await fileStamp(path)) === undefined) return known;
  span.note('checking the cached file');
  const read = await hashFile(path, digest.algorithm, { signal });
  if (read.digests[digest.algorithm] === digest.hex) return record(path, read);
  span.warn('KIB_DIGEST_MISMATCH', `${path} was damaged since it was downloaded; downloading it again`);
  await rm(path, { force: true });
  return undefined;
}

async function record(path: string, read: Digested): Promise<StoredContent> {
  await chmod(path, 0o444);
  const stamp = await fileStamp(path);
  const { sha256 } = read.digests;
  if (stamp !== undefined) {
    const text = JSON.stringify({ stamp, sha256 } satisfies StoredRecord);
    await writeFile(`${recordPath(path)}.new`, text);
    await rename(`${recordPath(path)}.new`, recordPath(path));
  }
  return { path, sha256, bytes: read.bytes };
}

/** Its modification time is when the file was last used. */
function recordPath(path: string): string {
  return `${path}.json`;
}
