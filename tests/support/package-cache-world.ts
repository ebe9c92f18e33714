import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Guest } from '../../src/engine/guest.ts';
import { openPackageCache, type PackageCache, packagesDir } from '../../src/engine/package-cache/index.ts';
import { hurriedClock } from './http-server.ts';
import { type PackageServers, startPackageServers } from './package-servers.ts';
import { guestOf } from './ssh-guest.ts';
import { startSshServer, type TestSshServer } from './ssh-server.ts';
import { type TestContext, testContext } from './test-context.ts';

/** A package on the servers, which holds `BYTES`. */
export const DEB = 'http://repo.example.org/pool/a_1_amd64.deb';
/** An index on the servers; it says `one`. */
export const INDEX = 'http://repo.example.org/dists/stable/InRelease';
/** Many enough to arrive in more than one piece. */
export const BYTES = randomBytes(700_000);

/** What a test has: package servers, a guest, and the cache between them. */
export interface PackageCacheWorld {
  context: TestContext;
  /** The guest's. */
  server: TestSshServer;
  servers: PackageServers;
  guest: Guest;
  cache: PackageCache;
}

/** What a package manager was answered, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A package cache for each test of a file, and how its guest asks it. */
export function packageCacheWorld() {
  const world = {} as PackageCacheWorld;
  const connectGuest = () => guestOf(world.server, world.context.signal);
  const openCache = (of = world.guest) =>
    openPackageCache(of, { os: { packageManager: 'apt' }, network: world.servers.network }, world.context);

  beforeEach(async () => {
    world.context = await testContext({ clock: hurriedClock() });
    world.server = await startSshServer();
    world.servers = await startPackageServers(world.context.root);
    world.guest = await connectGuest();
    world.cache = await openCache();
    world.servers.files.set(DEB, BYTES).set(INDEX, Buffer.from('one'));
  });
  afterEach(async () => {
    await world.cache[Symbol.asyncDispose]();
    await world.guest[Symbol.asyncDispose]();
    await world.server[Symbol.asyncDispose]();
    await world.servers[Symbol.asyncDispose]();
    expect(world.context.journal.held).toEqual([]);
    expect((await readdir(packagesDir(world.context.dirs.cache))).sort()).toEqual(['files', 'urls']);
    await world.context[Symbol.asyncDispose]();
  });

  /** What a package manager in the guest knows. */
  async function origin(of = world.cache): Promise<{ readonly port: number; readonly token: string }> {
    const text = (await of.wrapper(world.context.signal))?.text ?? '';
    const [, port, token = ''] = /127\.0\.0\.1:(\d+)\/([0-9a-f]{32})/.exec(text) ?? [];
    return { port: Number(port), token };
  }

  async function ask(url: string, headers: Record<string, string> = {}, method = 'GET', of = world.cache): Promise<Answer> {
    const { port, token } = await origin(of);
    return send(port, `/${token}/${url.replace('://', '/')}`, headers, method);
  }

  const warnings = () => world.context.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  return { world, connectGuest, openCache, origin, ask, warnings };
}

/** One request on a connection of its own; rejects when the answer breaks off. */
export function send(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
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
