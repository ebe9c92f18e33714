import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Clock } from '../../src/core/index.ts';
import { systemClock } from '../../src/core/index.ts';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

export interface TestServer extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string;
  readonly port: number;
  readonly requests: readonly Seen[];
}

export type Handler = (req: IncomingMessage, res: ServerResponse, count: number) => Promise<void> | void;

/** Serves on loopback until disposed, which cuts open connections. `count` numbers the requests from 1. */
export async function startServer(handler: Handler): Promise<TestServer> {
  const requests: Seen[] = [];
  const server = createServer((req, res) => {
    requests.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers });
    Promise.resolve(handler(req, res, requests.length)).catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Served {
  readonly bytes: Buffer;
  readonly etag?: string;
  readonly lastModified?: string;
  /** Cut the connection after that many bytes of the body. */
  readonly cutAfter?: number;
  /** Fall silent after that many bytes of the body. */
  readonly stallAfter?: number;
  /** Answer ranges with the whole file. */
  readonly ignoreRange?: boolean;
}

/** Answers as a file server does, honouring Range and If-Range. */
export function serve(req: IncomingMessage, res: ServerResponse, file: Served): void {
  const { bytes, etag, lastModified } = file;
  const condition = req.headers['if-range'];
  const isSame = condition === undefined || condition === etag || condition === lastModified;
  const start = file.ignoreRange === true || !isSame ? undefined : /^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1];
  if (etag !== undefined) res.setHeader('etag', etag);
  if (lastModified !== undefined) res.setHeader('last-modified', lastModified);
  const from = Number(start ?? 0);
  if (start !== undefined && from >= bytes.length) {
    res.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const body = bytes.subarray(from);
  res.writeHead(start === undefined ? 200 : 206, {
    'content-length': body.length,
    ...(start === undefined ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
  });
  const limit = file.cutAfter ?? file.stallAfter;
  if (limit === undefined || limit >= body.length) {
    res.end(body);
    return;
  }
  // Cut once the bytes are on their way, lest the reset overtakes them.
  res.write(body.subarray(0, limit), () => {
    if (file.cutAfter !== undefined) setTimeout(() => res.socket?.destroy(), 50);
  });
}

export interface TestProxy extends TestServer {
  /** `GET http://…` and `CONNECT host:port`, in order. */
  readonly log: readonly string[];
}

/** A forward proxy that also tunnels; with `login` it wants Basic credentials. */
export async function startProxy(options: { readonly login?: string } = {}): Promise<TestProxy> {
  const log: string[] = [];
  const isAllowed = (header: string | undefined) =>
    options.login === undefined || header === `Basic ${Buffer.from(options.login).toString('base64')}`;
  const server = createServer((req, res) => {
    log.push(`${req.method} ${req.url}`);
    if (!isAllowed(req.headers['proxy-authorization'])) {
      res.writeHead(407).end();
      return;
    }
    const { 'proxy-authorization': _, ...headers } = req.headers;
    const onward = request(req.url ?? '', { method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    onward.end();
  });
  server.on('connect', (req, socket, head) => {
    log.push(`CONNECT ${req.url}`);
    if (!isAllowed(req.headers['proxy-authorization'])) {
      socket.end('HTTP/1.1 407 Login\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const [host = '', port = ''] = (req.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: [],
    log,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The real clock with all waits divided, for retries and deadlines against real sockets. */
export function hurriedClock(factor = 50): Clock {
  return { now: () => systemClock.now(), sleep: (ms, signal) => systemClock.sleep(ms / factor, signal) };
}
