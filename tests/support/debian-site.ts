import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { listenOnFree } from './listen.ts';
import { debianMirror } from './releases/debian-programs.ts';

/** Keeps addresses of packages, by which builds keep them, from run to run. */
const PORT = 18_765;

export interface DebianSite extends AsyncDisposable {
  /** As guests behind QEMU's user network see it (10.0.2.2 is this host's loopback). */
  readonly url: string;
  /** Proxy by which this host reaches the same address, and any other one. */
  readonly proxy: string;
  /** Bytes by path, `/repo/Packages`; more may come at any time. Below /debian/ and /debian-security/ is what this host's apt installs from. */
  readonly files: Map<string, Buffer>;
  /** `GET /repo/Packages` for what is asked of the site itself, `GET http://…` for what it is asked as a proxy. */
  readonly log: readonly string[];
}

/** A mirror of Debian, a server of files and a proxy in one, on loopback; as a proxy it has its files at http://localhost too. Undefined where apt does not install from Debian by http. */
export async function serveDebianSite(): Promise<DebianSite | undefined> {
  const [main, security] = [await debianMirror(), await debianMirror(true)];
  if (main === undefined || security === undefined) return undefined;
  const log: string[] = [];
  const files = new Map<string, Buffer>();
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const asked = req.url ?? '/';
    log.push(`${req.method} ${asked}`);
    const own = new URL(asked, site.url);
    if (![site.url, site.proxy, 'http://localhost'].includes(own.origin)) return forward(asked, req, res);
    const [, folder = '', rest = ''] = /^\/(debian|debian-security)\/(.*)$/.exec(own.pathname) ?? [];
    if (folder !== '') return forward(`${folder === 'debian' ? main : security}/${rest}`, req, res);
    const bytes = files.get(decodeURIComponent(own.pathname).replace(/\/+/g, '/'));
    res.writeHead(bytes === undefined ? 404 : 200, { 'content-length': bytes?.length ?? 0 });
    res.end(req.method === 'HEAD' ? undefined : bytes);
  };
  const server = createServer((req, res) => void answer(req, res).catch(() => res.destroy()));
  await listenOnFree(server, PORT, '127.0.0.1');
  const { port } = server.address() as AddressInfo;
  const site: DebianSite = {
    url: `http://10.0.2.2:${port}`,
    proxy: `http://127.0.0.1:${port}`,
    files,
    log,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return site;
}

/** Has the site show the files of a folder below `path`. */
export function showFolder({ files }: DebianSite, path: string, folder: string): void {
  for (const name of readdirSync(folder)) files.set(`${path}/${name}`, readFileSync(join(folder, name)));
}

const ASKED = ['range', 'if-range', 'if-none-match', 'if-modified-since'];
const ANSWERED = ['content-length', 'content-range', 'content-type', 'etag', 'last-modified'];

async function forward(url: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const headers = ASKED.flatMap((name): [string, string][] => {
    const value = req.headers[name];
    return typeof value === 'string' ? [[name, value]] : [];
  });
  // Else what is compressed on its way would not be as long as it is said to be.
  headers.push(['accept-encoding', 'identity']);
  const answer = await fetch(url, { method: req.method ?? 'GET', headers });
  const back = ANSWERED.flatMap((name): [string, string][] => {
    const value = answer.headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  res.writeHead(answer.status, Object.fromEntries(back));
  if (answer.body === null) res.end();
  else await pipeline(Readable.fromWeb(answer.body), res);
}
