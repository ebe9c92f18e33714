import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';

export interface FolderServer extends AsyncDisposable {
  /** The folder as guests behind QEMU's user network see it (10.0.2.2 is this host's loopback). */
  readonly url: string;
  /** Proxy by which this host reaches the same address. */
  readonly proxy: string;
  /** Requests: `guest GET /os/repodata/repomd.xml` or `host GET …`. */
  readonly log: string[];
  /** Beginnings of paths, `/os/`, whose requests are cut off instead of answered. */
  readonly gone: Set<string>;
}

/** Serves a folder on loopback to guests, and to this host as a proxy for the address that guests know it by. */
export async function serveFolder(folder: string): Promise<FolderServer> {
  const log: string[] = [];
  const gone = new Set<string>();
  const server = createServer((req, res) => {
    const asked = req.url ?? '/';
    const isProxied = /^https?:/.test(asked);
    const path = normalize(decodeURIComponent(new URL(asked, 'http://localhost').pathname));
    log.push(`${isProxied ? 'host' : 'guest'} ${req.method} ${path}`);
    if ([...gone].some((start) => path.startsWith(start))) req.socket.destroy();
    else void answer(join(folder, path), req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://10.0.2.2:${port}`,
    proxy: `http://127.0.0.1:${port}`,
    log,
    gone,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(file: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const stats = await stat(file).catch(() => undefined);
  if (stats?.isFile() !== true) {
    res.writeHead(404).end();
    return;
  }
  const etag = `"${stats.mtimeMs}-${stats.size}"`;
  if (req.headers['if-none-match'] === etag) {
    res.writeHead(304, { etag }).end();
    return;
  }
  res.writeHead(200, { 'content-length': stats.size, etag, 'last-modified': stats.mtime.toUTCString() });
  if (req.method === 'HEAD') res.end();
  else createReadStream(file).pipe(res);
}
