import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NetworkSettings } from '../../src/core/index.ts';
import { HttpClient } from '../../src/io/http.ts';
import { hurriedClock, startProxy } from '../support/http-server.ts';

const exec = promisify(execFile);
const limits = { signal: new AbortController().signal, maxBytes: 1000 };
let dir: string;
let server: Server;
let url: string;

/** A CA and a certificate for localhost, as a proxy that opens TLS would show. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-tls-'));
  const openssl = (...args: string[]) => exec('openssl', args, { cwd: dir });
  const subject = (name: string) => ['-subj', `/CN=${name}`, '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  await openssl('req', '-x509', ...subject('Test CA'), '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2');
  await openssl('req', ...subject('localhost'), '-keyout', 'server.key', '-out', 'server.csr');
  await writeFile(join(dir, 'ext'), 'subjectAltName=DNS:localhost\n');
  const issue = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext'];
  await openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.pem', ...issue);
  const [key, cert] = await Promise.all(['server.key', 'server.pem'].map((name) => readFile(join(dir, name))));
  server = createServer(key === undefined || cert === undefined ? {} : { key, cert }, (req, res) => {
    if (req.url === '/down') res.writeHead(302, { location: 'http://localhost/' }).end();
    else res.end('secret');
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

const open = (network: NetworkSettings) => HttpClient.open({ clock: hurriedClock(), network });

describe('TLS', () => {
  it('refuses a certificate of an unknown authority, at once and with the way out', async () => {
    await using http = await open({});
    await expect(http.bytes(url, limits)).rejects.toMatchObject({
      code: 'KIB_HTTP',
      retryable: false,
      hint: expect.stringContaining('SSL_CERT_FILE=') as string,
    });
  });

  it('trusts the authorities of the CA file', async () => {
    await using http = await open({ caFile: join(dir, 'ca.pem') });
    expect((await http.bytes(url, limits)).toString()).toBe('secret');
  });

  it('tunnels through a proxy and still looks at the certificate', async () => {
    await using proxy = await startProxy({ login: 'me:secret' });
    const httpsProxy = proxy.url.replace('//', '//me:secret@');
    await using http = await open({ httpsProxy, caFile: join(dir, 'ca.pem') });
    expect((await http.bytes(url, limits)).toString()).toBe('secret');
    expect(proxy.log).toEqual([`CONNECT ${new URL(url).host}`]);
    await using wary = await open({ httpsProxy });
    await expect(wary.bytes(url, limits)).rejects.toMatchObject({ code: 'KIB_HTTP', retryable: false });
  });

  it('is not left by a redirect', async () => {
    await using http = await open({ caFile: join(dir, 'ca.pem') });
    await expect(http.bytes(`${url}/down`, limits)).rejects.toThrow('which is not https');
  });
});
