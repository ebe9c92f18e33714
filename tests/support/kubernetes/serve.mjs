// A loopback static file server for dl.k8s.io-shaped folders and base images, with a hook to inject faults.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {{ method: string, url: string, range: string | undefined }} SeenRequest
 * @typedef {(req: Request, res: Response) => boolean | void | Promise<boolean | void>} OnRequest
 *   Returns true when it has answered (or broken) the request itself.
 */

/**
 * Serves `dir` on 127.0.0.1 until `close()`, which also cuts open connections. `url` has no slash at its end.
 * @param {string} dir
 * @param {{ onRequest?: OnRequest }} [hooks]
 */
export async function serveDirectory(dir, { onRequest } = {}) {
  const root = resolve(dir);
  /** @type {SeenRequest[]} */
  const requests = [];
  const server = createServer((req, res) => {
    requests.push({ method: req.method ?? '', url: req.url ?? '', range: req.headers.range });
    answer(root, req, res, onRequest).catch((error) => {
      // A client that hangs up half way is what some tests do on purpose.
      if (res.headersSent) res.destroy();
      else reply(res, 500, String(error));
    });
  });
  await new Promise((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', () => done(undefined)));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`expected a TCP port, got ${address}`);
  /** @returns {Promise<void>} */
  const close = () =>
    new Promise((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${address.port}`, requests, close, [Symbol.asyncDispose]: close };
}

/** @param {string} root @param {Request} req @param {Response} res @param {OnRequest | undefined} onRequest */
async function answer(root, req, res, onRequest) {
  if (await onRequest?.(req, res)) return;
  if (req.method !== 'GET' && req.method !== 'HEAD') return reply(res, 405, 'only GET and HEAD', { allow: 'GET, HEAD' });
  const file = locate(root, req.url ?? '/');
  const info = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !info?.isFile()) return reply(res, 404, `no such file: ${req.url}`);

  const etag = `"${info.size.toString(16)}-${Math.trunc(info.mtimeMs).toString(16)}"`;
  const modified = info.mtime.toUTCString();
  res.setHeader('accept-ranges', 'bytes').setHeader('etag', etag).setHeader('last-modified', modified);
  if (isUnchanged(req, etag, modified)) return void res.writeHead(304).end();

  // A stale If-Range asks for the whole file, lest a resumed download mixes two versions.
  const condition = req.headers['if-range'];
  const isFresh = condition === undefined || condition === etag || condition === modified;
  const range = isFresh ? parseRange(req.headers.range, info.size) : undefined;
  if (range === 'unsatisfiable') return reply(res, 416, 'range outside the file', { 'content-range': `bytes */${info.size}` });

  const { start, end } = range ?? { start: 0, end: info.size - 1 };
  if (range) res.setHeader('content-range', `bytes ${start}-${end}/${info.size}`);
  res.writeHead(range ? 206 : 200, { 'content-type': 'application/octet-stream', 'content-length': end - start + 1 });
  if (req.method === 'HEAD' || info.size === 0) return void res.end();
  await pipeline(createReadStream(file, { start, end }), res);
}

/**
 * The file a request path names, or undefined when it is malformed or leads out of `root`.
 * @param {string} root @param {string} url
 */
function locate(root, url) {
  try {
    const file = join(root, decodeURIComponent(url.split('?', 1)[0] ?? ''));
    return file.startsWith(root + sep) && !file.includes('\0') ? file : undefined;
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** @param {Request} req @param {string} etag @param {string} modified */
function isUnchanged(req, etag, modified) {
  const { 'if-none-match': tags, 'if-modified-since': since } = req.headers;
  if (tags !== undefined) return tags === '*' || tags.split(/\s*,\s*/).includes(etag);
  return since !== undefined && Date.parse(since) >= Date.parse(modified);
}

/**
 * One byte range; several at once, or another unit, are answered with the whole file, as RFC 9110 allows.
 * @param {string | undefined} header @param {number} size
 */
function parseRange(header, size) {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(size - Number(last), 0) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  return start > end ? 'unsatisfiable' : { start, end };
}

/** @param {Response} res @param {number} status @param {string} text @param {Record<string, string>} [headers] */
function reply(res, status, text, headers = {}) {
  res.writeHead(status, { ...headers, 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text) }).end(text);
}
