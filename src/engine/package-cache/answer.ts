import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorMessage, isKibError, maskUrls } from '../../core/index.ts';
import { noteSpent } from '../../io/spent-buffers.ts';
import { answerLists, LISTS_PATH } from './lists/answer-lists.ts';
import { type MirrorGroups, mirrorsOf, rewriteMirrors } from './mirror-list.ts';
import { type Relay, type Source, statusFor } from './relay.ts';
import type { PackageStore } from './store.ts';
import { fromPath, fromProxy, type Target } from './target.ts';

export interface AnswerOptions {
  readonly relay: Relay;
  readonly store: PackageStore;
  /** Filled from the lists that the guest gets. */
  readonly mirrors: MirrorGroups;
  /** What a guest must know to be served. */
  readonly token: string;
}

/**
 * Answers one request of a package manager: GET and HEAD, one range, and the conditions apt sets; or the question for an excerpt of package
 * lists. Rejects when the answer broke off.
 */
export async function answerRequest(req: IncomingMessage, res: ServerResponse, options: AnswerOptions): Promise<void> {
  if (req.method === 'POST' && req.url === `/${options.token}/${LISTS_PATH}`) return answerLists(req, res, options);
  const target = targetOf(req, options.token);
  if (target === undefined) return refuse(res, 403, 'not an address this host fetches for its guest');
  if (req.method !== 'GET' && req.method !== 'HEAD') return refuse(res, 405, 'only GET and HEAD');
  let source: Source;
  try {
    source = await options.relay.get(target.url, options.mirrors.keyOf(target.url));
  } catch (error) {
    return refuse(res, statusFor(error), maskUrls(isKibError(error) ? error.message : errorMessage(error)));
  }
  await using open = source;
  if (target.isMirrorList) await sendMirrors(target, req, res, open, options);
  else await sendFile(req, res, open);
}

function targetOf(req: IncomingMessage, token: string): Target | undefined {
  const asked = req.url ?? '';
  if (asked.startsWith('/')) return fromPath(asked, token);
  const login = `Basic ${Buffer.from(`kib:${token}`).toString('base64')}`;
  return req.headers['proxy-authorization'] === login ? fromProxy(asked) : undefined;
}

function refuse(res: ServerResponse, status: number, text: string): void {
  const body = Buffer.from(`${text}\n`);
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length });
  res.end(body);
}

async function sendFile(req: IncomingMessage, res: ServerResponse, source: Source): Promise<void> {
  const { etag, lastModified, contentType, bytes } = source;
  const headers = {
    'accept-ranges': 'bytes',
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { 'last-modified': lastModified }),
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
  };
  if (isUnchanged(req, source)) {
    res.writeHead(304, headers).end();
    return;
  }
  const range = bytes === undefined ? undefined : rangeOf(req, source, bytes);
  if (range === 'beyond') {
    res.writeHead(416, { ...headers, 'content-range': `bytes */${bytes}`, 'content-length': 0 }).end();
    return;
  }
  if (range !== undefined) {
    const [start, end] = range;
    res.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${end}/${bytes}`, 'content-length': end + 1 - start });
  } else res.writeHead(200, { ...headers, ...(bytes === undefined ? {} : { 'content-length': bytes }) });
  if (req.method === 'HEAD' || bytes === 0) {
    res.end();
    return;
  }
  await pump(source.chunks(...(range ?? [])), res);
}

async function sendMirrors(
  { url }: Target,
  req: IncomingMessage,
  res: ServerResponse,
  source: Source,
  { store, mirrors: groups }: AnswerOptions,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of source.chunks()) chunks.push(chunk);
  const list = Buffer.concat(chunks).toString('utf8');
  const mirrors = mirrorsOf(list);
  const before = await store.readNote(url);
  const preferred = before !== undefined && mirrors.includes(before) ? before : mirrors[0];
  if (preferred !== undefined) groups.add(mirrors, preferred);
  if (preferred !== undefined && preferred !== before) await store.writeNote(url, preferred);
  const body = Buffer.from(rewriteMirrors(list, preferred));
  res.writeHead(200, { 'content-type': source.contentType ?? 'text/plain', 'content-length': body.length });
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** RFC 9110 §13.2.2: the tag decides where there is one. */
function isUnchanged(req: IncomingMessage, { etag, lastModified }: Source): boolean {
  const tags = req.headers['if-none-match'];
  if (tags !== undefined) return etag !== undefined && tags.split(/\s*,\s*/).includes(etag);
  const since = req.headers['if-modified-since'];
  return since !== undefined && lastModified !== undefined && Date.parse(lastModified) <= Date.parse(since);
}

/** One range, first and last byte; undefined for the whole. */
function rangeOf(
  req: IncomingMessage,
  { etag, lastModified }: Source,
  bytes: number,
): readonly [number, number] | 'beyond' | undefined {
  const [, first, last = ''] = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? '') ?? [];
  const condition = req.headers['if-range'];
  if (first === undefined || (condition !== undefined && condition !== etag && condition !== lastModified)) return undefined;
  const start = Number(first);
  const end = Math.min(last === '' ? bytes - 1 : Number(last), bytes - 1);
  return start >= bytes || start > end ? 'beyond' : [start, end];
}

/** Not stream.pipeline, which would destroy a connection that the next answer needs. */
async function pump(chunks: AsyncIterable<Buffer>, res: ServerResponse): Promise<void> {
  const gone = new Promise<never>((_, reject) => {
    res.once('close', () => reject(new Error('the guest went away')));
  });
  gone.catch(() => {});
  for await (const chunk of chunks) {
    if (res.destroyed) return;
    if (!res.write(chunk)) await Promise.race([once(res, 'drain'), gone]);
    noteSpent(chunk.length);
  }
  res.end();
}
