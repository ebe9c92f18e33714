import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sh, sha256, systemClock } from '../../../../src/core/index.ts';
import { executeActions } from '../../../../src/engine/execute.ts';
import { Guest } from '../../../../src/engine/guest.ts';
import { openPackageCache, type PackageCache, packagesDir } from '../../../../src/engine/package-cache/index.ts';
import { connectSsh } from '../../../../src/transport/ssh.ts';
import { hurriedClock } from '../../../support/http-server.ts';
import { type PackageServers, startPackageServers } from '../../../support/package-servers.ts';
import { eventually } from '../../../support/process-state.ts';
import { startSshServer, type TestSshServer } from '../../../support/ssh-server.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

const DEB = 'http://repo.example.org/pool/a_1_amd64.deb';
const INDEX = 'http://repo.example.org/dists/stable/InRelease';
const BYTES = randomBytes(700_000);

let context: TestContext;
let server: TestSshServer;
let servers: PackageServers;
let guest: Guest;
let cache: PackageCache;

beforeEach(async () => {
  context = await testContext({ clock: hurriedClock() });
  server = await startSshServer();
  servers = await startPackageServers(context.root);
  guest = await connectGuest();
  cache = await openCache();
  servers.files.set(DEB, BYTES).set(INDEX, Buffer.from('one'));
});
afterEach(async () => {
  await cache[Symbol.asyncDispose]();
  await guest[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await servers[Symbol.asyncDispose]();
  expect(context.journal.held).toEqual([]);
  expect((await readdir(packagesDir(context.dirs.cache))).sort()).toEqual(['files', 'urls']);
  await context[Symbol.asyncDispose]();
});

const connectGuest = () =>
  Guest.connect(
    {
      connect: (signal) => connectSsh(server.endpoint, server.credentials, { signal, clock: systemClock, readyTimeoutMs: 5000 }),
      clock: systemClock,
      slowness: 1,
    },
    context.signal,
  );
const openCache = (of = guest) => openPackageCache(of, { os: { packageManager: 'apt' }, network: servers.network }, context);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a package manager in the guest knows. */
async function origin(of = cache): Promise<{ readonly port: number; readonly token: string }> {
  const [, port, token = ''] = /127\.0\.0\.1:(\d+)\/([0-9a-f]{32})/.exec((await of.wrapper(context.signal))?.text ?? '') ?? [];
  return { port: Number(port), token };
}

async function ask(url: string, headers: Record<string, string> = {}, method = 'GET', of = cache): Promise<Answer> {
  const { port, token } = await origin(of);
  return send(port, `/${token}/${url.replace('://', '/')}`, headers, method);
}

function send(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, headers, method, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }));
    });
    req.on('error', reject);
    req.end();
  });
}

const stored = (bytes: Buffer) => join(packagesDir(context.dirs.cache), 'files', sha256(bytes));
const warnings = () => context.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));

describe('packages', () => {
  it('come from their server once, and from the store afterwards', async () => {
    for (let time = 0; time < 3; time++) expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(servers.log).toEqual([`GET ${DEB}`]);
    expect(cache.stats()).toEqual({ hits: 2, misses: 1, bytesFromCache: 2 * BYTES.length, bytesFetched: BYTES.length });
  });

  it('come from the store in another build, without any server', async () => {
    await ask(DEB);
    await cache[Symbol.asyncDispose]();
    await guest[Symbol.asyncDispose]();
    await servers[Symbol.asyncDispose]();
    guest = await connectGuest();
    cache = await openCache();
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
  });

  it('are downloaded once for two builds that want them at the same time', async () => {
    let release = () => {};
    servers.intercept = (_req, res) => {
      res.writeHead(200, { 'content-length': BYTES.length });
      res.write(BYTES.subarray(0, 1000));
      release = () => res.end(BYTES.subarray(1000));
      return true;
    };
    await using otherGuest = await connectGuest();
    await using other = await openCache(otherGuest);
    const both = [ask(DEB), ask(DEB, {}, 'GET', other)];
    await eventually(() => cache.stats().misses + other.stats().misses === 1 && cache.stats().hits + other.stats().hits === 1);
    release();
    for (const { body } of await Promise.all(both)) expect(body.equals(BYTES)).toBe(true);
    expect(servers.log).toEqual([`GET ${DEB}`]);
  });

  it('reach the guest while they are downloaded', async () => {
    let release = () => {};
    servers.intercept = (_req, res) => {
      res.writeHead(200, { 'content-length': BYTES.length });
      res.write(BYTES.subarray(0, 1000));
      release = () => res.end(BYTES.subarray(1000));
      return true;
    };
    const { port, token } = await origin();
    let seen = 0;
    const done = new Promise((resolve) => {
      request({ host: '127.0.0.1', port, path: `/${token}/${DEB.replace('://', '/')}`, agent: false }, (res) => {
        res.on('data', (chunk: Buffer) => (seen += chunk.length));
        res.on('end', resolve);
      }).end();
    });
    await eventually(() => seen === 999);
    release();
    await done;
    expect(seen).toBe(BYTES.length);
  });

  it('that were damaged in the store are downloaded again', async () => {
    await ask(DEB);
    const damaged = Buffer.from(BYTES);
    damaged.writeUInt8(damaged.readUInt8(5) ^ 1, 5);
    await writeFile(stored(BYTES), damaged);
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    await writeFile(stored(BYTES), BYTES.subarray(0, 10));
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(servers.log).toHaveLength(3);
    expect((await readFile(stored(BYTES))).equals(BYTES)).toBe(true);
  });

  it('whose server breaks off are gone on with where it broke', async () => {
    let count = 0;
    servers.intercept = (_req, res) => {
      if (count++ > 0) return false;
      res.writeHead(200, { 'content-length': BYTES.length });
      res.write(BYTES.subarray(0, 300_000), () => setTimeout(() => res.destroy(), 50));
      return true;
    };
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(servers.log).toHaveLength(2);
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(servers.log).toHaveLength(2);
  });

  it('whose server always breaks off break off, and are not kept', async () => {
    servers.intercept = (req, res) => {
      if (req.headers.range !== undefined) res.writeHead(500).end();
      else {
        res.writeHead(200, { 'content-length': BYTES.length });
        res.write(BYTES.subarray(0, 1000), () => setTimeout(() => res.destroy(), 50));
      }
      return true;
    };
    await expect(ask(DEB)).rejects.toThrow();
    servers.intercept = () => false;
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect(cache.stats().hits).toBe(0);
  });

  it('are asked about again after a package manager failed with them', async () => {
    await ask(DEB);
    const use = cache.startUse();
    await ask(DEB);
    expect(use.summary()).toBe('1 of 1 files from the package cache, 683.6 KiB of 683.6 KiB');
    await use.doubt();
    await ask(DEB);
    expect(servers.log).toHaveLength(2);
    const another = cache.startUse();
    await ask(DEB);
    expect(servers.log).toHaveLength(2);
    servers.files.set(DEB, Buffer.from('rebuilt'));
    await another.doubt();
    for (let time = 0; time < 2; time++) expect((await ask(DEB)).body.toString()).toBe('rebuilt');
    expect(servers.log).toHaveLength(3);
  });

  it('under a name that promises other bytes are not kept', async () => {
    const url = `http://repo.example.org/dists/x/by-hash/SHA256/${'a'.repeat(64)}`;
    servers.files.set(url, Buffer.from('something else'));
    for (let time = 0; time < 2; time++) await expect(ask(url)).rejects.toThrow();
    expect(servers.log).toHaveLength(2);
    const honest = Buffer.from('index');
    const hex = createHash('sha512').update(honest).digest('hex');
    const good = `http://repo.example.org/dists/x/by-hash/SHA512/${hex}`;
    servers.files.set(good, honest);
    for (let time = 0; time < 2; time++) expect((await ask(good)).body).toEqual(honest);
    expect(servers.log).toHaveLength(3);
  });
});

describe('indexes', () => {
  it('are asked for every time, and downloaded when they changed', async () => {
    expect((await ask(INDEX)).body.toString()).toBe('one');
    expect((await ask(INDEX)).body.toString()).toBe('one');
    servers.files.set(INDEX, Buffer.from('another'));
    expect((await ask(INDEX)).body.toString()).toBe('another');
    expect(servers.log).toHaveLength(3);
    expect(cache.stats()).toEqual({ hits: 1, misses: 2, bytesFromCache: 3, bytesFetched: 10 });
  });

  it('are the old ones, with a warning, while their server is away', async () => {
    await ask(INDEX);
    servers.intercept = (_req, res) => {
      res.destroy();
      return true;
    };
    expect((await ask(INDEX)).body.toString()).toBe('one');
    expect(warnings()).toEqual(['repo.example.org does not answer; the guest gets what it said last time']);
    const asked = servers.log.length;
    expect((await ask(INDEX)).body.toString()).toBe('one');
    expect(servers.log).toHaveLength(asked);
    expect(await ask('http://repo.example.org/new')).toMatchObject({ status: 502, body: expect.anything() as Buffer });
  });

  it('are the old ones while their server is out of order, but not when it says they are gone', async () => {
    await ask(INDEX);
    let status = 503;
    servers.intercept = (_req, res) => {
      res.writeHead(status).end();
      return true;
    };
    expect((await ask(INDEX)).status).toBe(200);
    status = 404;
    await cache[Symbol.asyncDispose]();
    await guest[Symbol.asyncDispose]();
    guest = await connectGuest();
    cache = await openCache();
    expect((await ask(INDEX)).status).toBe(404);
  });
});

describe('HTTP as package managers speak it', () => {
  it('hands on what the server says of a file it does not give', async () => {
    expect(await ask('http://repo.example.org/none.deb')).toMatchObject({ status: 404 });
    servers.intercept = (_req, res) => {
      res.writeHead(500).end();
      return true;
    };
    const answer = await ask(DEB);
    expect([answer.status, answer.body.toString()]).toEqual([502, `GET ${DEB} answered 500\n`]);
  });

  it('serves ranges, of what is stored and of what is on its way', async () => {
    for (let time = 0; time < 2; time++) {
      const answer = await ask(DEB, { range: 'bytes=1000-1999' });
      expect([answer.status, answer.headers['content-range']]).toEqual([206, `bytes 1000-1999/${BYTES.length}`]);
      expect(answer.body.equals(BYTES.subarray(1000, 2000))).toBe(true);
    }
    const rest = await ask(DEB, { range: 'bytes=690000-' });
    expect(rest.body.equals(BYTES.subarray(690_000))).toBe(true);
    expect((await ask(DEB, { range: `bytes=${BYTES.length}-` })).status).toBe(416);
    expect((await ask(DEB, { range: 'bytes=5-', 'if-range': '"other"' })).status).toBe(200);
    expect((await ask(DEB, { range: 'bytes=1-2,5-6' })).status).toBe(200);
  });

  it('answers HEAD and conditions', async () => {
    const head = await ask(DEB, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, String(BYTES.length), 0]);
    const { 'last-modified': since = '', etag = '' } = head.headers;
    expect((await ask(DEB, { 'if-modified-since': since })).status).toBe(304);
    expect((await ask(DEB, { 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).status).toBe(200);
    expect((await ask(DEB, { 'if-none-match': etag })).status).toBe(304);
    expect((await ask(DEB, {}, 'POST')).status).toBe(405);
  });

  it('answers requests sent in one go in their order', async () => {
    servers.files.set('http://repo.example.org/b.deb', Buffer.from('bbb'));
    const { port, token } = await origin();
    const paths = ['pool/a_1_amd64.deb', 'none', 'b.deb', 'dists/stable/InRelease'];
    const text = await new Promise<string>((resolve) => {
      let out = '';
      const socket = connect(port, '127.0.0.1', () => {
        for (const path of paths) socket.write(`GET /${token}/http/repo.example.org/${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      });
      socket.on('data', (chunk) => (out += chunk.toString('latin1')));
      socket.on('close', () => resolve(out));
    });
    expect([...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map((match) => match[1])).toEqual(['200', '404', '200', '200', '403']);
    expect(text).toContain(BYTES.toString('latin1'));
    expect(text.indexOf('bbb')).toBeLessThan(text.lastIndexOf('one'));
  });

  it('is a proxy for who knows the token', async () => {
    const { port, token } = await origin();
    const login = (password: string) => ({ 'proxy-authorization': `Basic ${Buffer.from(`kib:${password}`).toString('base64')}` });
    expect((await send(port, DEB, login(token))).body.equals(BYTES)).toBe(true);
    expect((await send(port, DEB, login('other'))).status).toBe(403);
    expect((await send(port, DEB)).status).toBe(403);
    expect((await send(port, `/other/${DEB.replace('://', '/')}`)).status).toBe(403);
    expect(servers.log).toHaveLength(1);
  });

  it('fetches nothing that only the guest can mean', async () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '169.254.169.254', '0.0.0.0', 'user@repo.example.org', '0177.0.0.1']) {
      expect((await ask(`http://${host}/x`)).status).toBe(403);
    }
    expect(servers.log).toEqual([]);
  });
});

describe('the tunnel', () => {
  it('is made anew with the connection', async () => {
    await ask(DEB);
    const before = await origin();
    server.drop();
    await eventually(() => server.openConnections() === 0);
    await systemClock.sleep(50);
    expect((await ask(DEB)).body.equals(BYTES)).toBe(true);
    expect((await origin()).token).toBe(before.token);
  });

  it('that the guest does not allow means a warning and no wrapper', async () => {
    await using closed = await startSshServer({ forwards: false });
    const connect = (signal: AbortSignal) =>
      connectSsh(closed.endpoint, closed.credentials, { signal, clock: systemClock, readyTimeoutMs: 5000 });
    await using stubborn = await Guest.connect({ connect, clock: systemClock, slowness: 1 }, context.signal);
    await using other = await openCache(stubborn);
    expect(await other.wrapper(context.signal)).toBeUndefined();
    expect(warnings()).toEqual(['the guest’s SSH server forwards no ports; it downloads all packages itself']);
    const action = {
      kind: 'exec',
      id: 'a/1',
      recipe: 'a',
      title: 'a',
      script: sh`echo direct`,
      timeoutMs: 5000,
      packages: true,
    } as const;
    await executeActions(stubborn, [action], { files: new Map(), context, packageCache: other });
    expect(context.events).toContainEqual({ type: 'log', stream: 'guest', line: 'direct' });
  });
});

it('is left out of the second attempt', async () => {
  const script = sh`
    echo "config=\${APT_CONFIG:-none}"
    test -z "\${APT_CONFIG:-}"
  `;
  const action = {
    kind: 'exec',
    id: 'a/1',
    recipe: 'a',
    title: 'a',
    script,
    timeoutMs: 20_000,
    attempts: 2,
    packages: true,
  } as const;
  const other = { ...action, id: 'a/2', script: sh`test -z "\${APT_CONFIG:-}"`, packages: undefined };
  const { packages: _, ...plain } = other;
  await executeActions(guest, [action, plain], { files: new Map(), context, packageCache: cache });
  const configs = context.events.flatMap((event) =>
    event.type === 'log' && event.line.startsWith('config=') ? [event.line] : [],
  );
  expect(configs).toEqual([expect.stringMatching(/^config=\/dev\/shm\/kib\.\w+\.0\/apt\.conf$/), 'config=none']);
  expect((await readdir('/dev/shm')).filter((name) => name.startsWith('kib.'))).toEqual([]);
});
