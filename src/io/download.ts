import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type DigestAlgorithm, formatBytes, KibError, MiB, maskUrl, throwIfAborted } from '../core/index.ts';
import { type Digested, Hasher } from './hash.ts';
import type { HttpClient, HttpResponse, RequestOptions } from './http.ts';
import { diskError, diskFull } from './http-error.ts';
import { PartFile, removePart } from './part-file.ts';

export interface DownloadRequest extends RequestOptions {
  readonly url: string;
  /** Where the bytes go; its folder exists and nobody else writes there. What an earlier try left is resumed. */
  readonly path: string;
  /** Computed besides SHA-256. */
  readonly algorithm: DigestAlgorithm;
  /** At most four times a second and at the end; `total` is undefined when the server does not tell. */
  readonly onProgress?: (done: number, total: number | undefined) => void;
}

/** How much further a try must get to count as progress, lest a server that cuts every connection keeps us for ever. */
const PROGRESS_BYTES = MiB;

/**
 * Downloads to a file and returns its digests; the file is on disk (fsync) when this resolves. Drops of the connection are resumed where
 * they happened as long as the server still has the same version, else from the start. On any failure, abort included, what
 * can be resumed stays for the next call. Throws KIB_HTTP and KIB_DISK_FULL.
 */
export async function download(http: HttpClient, request: DownloadRequest): Promise<Digested> {
  let best = 0;
  let reached = 0;
  const progressed = () => {
    const isFurther = reached >= best + PROGRESS_BYTES;
    best = Math.max(best, reached);
    return isFurther;
  };
  return http.retrying({ ...request, progressed }, async () => {
    const part = await PartFile.open(request.path, request.url).catch((error: unknown) => {
      throw diskError(error, request.path);
    });
    if (best === 0) best = part.bytes;
    try {
      return await transfer(http, request, part);
    } catch (error) {
      // Bytes of no known version are of no use to a later try.
      if (part.validator === undefined) await removePart(request.path);
      throwIfAborted(request.signal);
      throw diskError(error, request.path);
    } finally {
      reached = part.bytes;
      await part.close();
    }
  });
}

async function transfer(http: HttpClient, request: DownloadRequest, part: PartFile): Promise<Digested> {
  const { validator } = part;
  const headers = validator === undefined ? {} : { range: `bytes=${part.bytes}-`, 'if-range': validator };
  // Hashed before the request is sent, so that the server does not wait for us.
  const resumed = validator === undefined ? undefined : await hashPart(part, request);
  const response = await http.get(request.url, { headers, signal: request.signal });
  if (response.status === 416) return finishWhole(request.url, response, part, resumed);
  const { hasher, total } = await begin(request, response, part, resumed).catch((error: unknown) => {
    response.body.destroy();
    throw error;
  });
  const report = throttled(http, request, total);
  await http.read(request.url, response.body, request.signal, async (chunk) => {
    await part.append(chunk);
    hasher.update(chunk);
    report(part.bytes);
  });
  if (total !== undefined && part.bytes !== total) {
    throw new KibError('KIB_HTTP', `GET ${maskUrl(request.url)} broke off: want ${total} bytes, got ${part.bytes}`, {
      retryable: true,
      hint: 'try again; the download goes on where it stopped',
    });
  }
  await part.complete();
  request.onProgress?.(part.bytes, part.bytes);
  return hasher.digest();
}

/** Makes the part fit the answer: the rest of what is there, or another version from its start. */
async function begin(
  request: DownloadRequest,
  response: HttpResponse,
  part: PartFile,
  resumed: Hasher | undefined,
): Promise<{ readonly hasher: Hasher; readonly total: number | undefined }> {
  const isRest = response.status === 206 && resumed !== undefined;
  if (!isRest) await part.restart(strongValidator(response));
  const total = isRest ? await continuation(request.url, response, part) : toLength(response.headers['content-length']);
  await requireSpace(request.path, total, part.bytes);
  return { hasher: isRest ? resumed : new Hasher(request.algorithm), total };
}

async function hashPart(part: PartFile, request: DownloadRequest): Promise<Hasher> {
  const hasher = new Hasher(request.algorithm);
  for await (const chunk of part.read(request.signal)) hasher.update(chunk);
  return hasher;
}

// The server has nothing beyond our bytes: either we have all of them, or they are not what it has.
async function finishWhole(url: string, response: HttpResponse, part: PartFile, hasher: Hasher | undefined): Promise<Digested> {
  response.body.destroy();
  const size = toLength(/^bytes \*\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1]);
  if (hasher !== undefined && size === part.bytes) {
    await part.complete();
    return hasher.digest();
  }
  await part.restart(undefined);
  throw cannotResume(url, 'it has fewer bytes than were already there');
}

/** The full length that a partial answer states. Throws when it is not the continuation of `part`. */
async function continuation(url: string, response: HttpResponse, part: PartFile): Promise<number | undefined> {
  const range = response.headers['content-range'] ?? '';
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range) ?? [];
  if (Number(start) === part.bytes) return toLength(total);
  await part.restart(undefined);
  throw cannotResume(url, `asked for bytes from ${part.bytes}, got ${JSON.stringify(range)}`);
}

function cannotResume(url: string, why: string): KibError {
  return new KibError('KIB_HTTP', `GET ${maskUrl(url)} cannot be resumed: ${why}`, { retryable: true });
}

/** A weak ETag says "equivalent", not "the same bytes", so only a date or a strong one will do. */
function strongValidator(response: HttpResponse): string | undefined {
  const { etag } = response.headers;
  if (etag?.startsWith('"') === true) return etag;
  return response.headers['last-modified'];
}

function toLength(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

async function requireSpace(path: string, total: number | undefined, have: number): Promise<void> {
  if (total === undefined) return;
  const { bavail, bsize } = await statfs(dirname(path));
  const free = bavail * bsize;
  if (free >= total - have) return;
  throw diskFull(path, `want ${formatBytes(total - have)}, ${formatBytes(free)} free`);
}

function throttled(http: HttpClient, request: DownloadRequest, total: number | undefined): (done: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (done) => {
    const now = http.clock.now();
    if (now - last < 250) return;
    last = now;
    request.onProgress?.(done, total);
  };
}
