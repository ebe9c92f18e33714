import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { NetworkSettings } from '../../src/core/index.ts';

const exec = promisify(execFile);

export interface PackageServers extends AsyncDisposable {
  /** Every request that reached a server: `GET https://repo.example.org/a.deb`. */
  readonly log: string[];
  /** How to reach them: they are behind a proxy, so that they can have any name. */
  readonly network: NetworkSettings;
  /** Bytes by address; what is not there is a 404. May be changed at any time. */
  readonly files: Map<string, Buffer>;
  /** Instead of `files`, when it returns true. */
  intercept: (req: IncomingMessage, res: ServerResponse, url: string) => boolean;
}

const LAST_MODIFIED = 'Sat, 12 Sep 2026 07:55:41 GMT';

/** All servers of the internet over http:, and `hosts` over https: too (package openssl). `dir` keeps the certificates. */
export async function startPackageServers(dir: string, hosts: readonly string[] = []): Promise<PackageServers> {
  const certified = hosts.length === 0 ? {} : await certificate(dir, hosts);
  const log: string[] = [];
  const files = new Map<string, Buffer>();
  const answer = (req: IncomingMessage, res: ServerResponse, url: string) => {
    log.push(`${req.method} ${url}`);
    if (servers.intercept(req, res, url)) return;
    const bytes = files.get(url);
    if (bytes === undefined) {
      res.writeHead(404).end('not here');
      return;
    }
    const { range } = req.headers;
    const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 8)}"`;
    const headers = { 'last-modified': LAST_MODIFIED, etag };
    if (req.headers['if-none-match'] === etag) res.writeHead(304, headers).end();
    else if (range === undefined) res.writeHead(200, { ...headers, 'content-length': bytes.length }).end(bytes);
    else {
      const start = Number(/\d+/.exec(range)?.[0]);
      const part = {
        'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
        'content-length': bytes.length - start,
      };
      res.writeHead(206, { ...headers, ...part }).end(bytes.subarray(start));
    }
  };
  const tls = createTlsServer(certified, (req, res) => answer(req, res, `https://${req.headers.host}${req.url}`));
  const server = createServer((req, res) => answer(req, res, req.url ?? ''));
  server.on('connect', (_req, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    tls.emit('connection', socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy = `http://127.0.0.1:${port}`;
  const servers: PackageServers = {
    log,
    files,
    network: { httpProxy: proxy, httpsProxy: proxy, ...(hosts.length === 0 ? {} : { caFile: join(dir, 'ca.pem') }) },
    intercept: () => false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      tls.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return servers;
}

async function certificate(dir: string, hosts: readonly string[]): Promise<{ readonly key: Buffer; readonly cert: Buffer }> {
  const openssl = (...args: string[]) => exec('openssl', args, { cwd: dir });
  const subject = (name: string) => ['-subj', `/CN=${name}`, '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  await openssl('req', '-x509', ...subject('Test CA'), '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2');
  await openssl('req', ...subject('server'), '-keyout', 'server.key', '-out', 'server.csr');
  await writeFile(join(dir, 'ext'), `subjectAltName=${hosts.map((host) => `DNS:${host}`).join(',')}\n`);
  const issue = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext'];
  await openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.pem', ...issue);
  return { key: await readFile(join(dir, 'server.key')), cert: await readFile(join(dir, 'server.pem')) };
}
