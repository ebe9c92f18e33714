import { existsSync, readdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { PlannedAction, Sh } from '../../src/core/index.ts';
import { executeActions } from '../../src/engine/execute.ts';
import type { Guest } from '../../src/engine/guest.ts';
import { openPackageCache, type PackageCache } from '../../src/engine/package-cache/index.ts';
import { type PackageServers, startPackageServers } from './package-servers.ts';
import { guestOf } from './ssh-guest.ts';
import { canRunSshd, type Sshd, startSshd } from './sshd.ts';
import { type TestContext, testContext } from './test-context.ts';

const HOSTS = ['repo.example.org', 'mirror-a.example.org', 'mirror-b.example.org'];

/** Whether this host can be a guest whose package manager needs these programs. */
export const canBeGuest = (...programs: readonly string[]): boolean =>
  canRunSshd && programs.every((name) => ['/usr/bin', '/usr/sbin'].some((dir) => existsSync(join(dir, name))));

/** What a test has: a guest whose package manager is this host's, package servers, and the cache between them. */
export interface PackageManagerWorld {
  context: TestContext;
  sshd: Sshd;
  servers: PackageServers;
  guest: Guest;
  cache: PackageCache;
}

/** A guest with a package cache for each test of a `describe`, and what it installs. */
export function packageManagerWorld(packageManager: 'apt' | 'dnf') {
  const world = {} as PackageManagerWorld;

  async function connect(): Promise<void> {
    world.guest = await guestOf(world.sshd, world.context.signal, 10_000);
    const settings = { os: { packageManager }, network: world.servers.network };
    world.cache = await openPackageCache(world.guest, settings, world.context);
  }

  async function disconnect(): Promise<void> {
    await world.cache[Symbol.asyncDispose]();
    await world.guest[Symbol.asyncDispose]();
  }

  beforeEach(async () => {
    world.context = await testContext();
    world.sshd = await startSshd(world.context.root);
    world.servers = await startPackageServers(world.context.root, HOSTS);
    await connect();
  });
  afterEach(async () => {
    await disconnect();
    await world.sshd[Symbol.asyncDispose]();
    await world.servers[Symbol.asyncDispose]();
    expect(world.context.journal.held).toEqual([]);
    expect(readdirSync('/dev/shm').filter((name) => name.startsWith('kib.'))).toEqual([]);
    await world.context[Symbol.asyncDispose]();
  });

  /** A guest that has nothing yet, and a cache that has what it had; the log of the servers begins anew. */
  async function anotherGuest(): Promise<void> {
    await disconnect();
    await connect();
    world.servers.log.length = 0;
  }

  const install = (script: Sh): PlannedAction => ({
    kind: 'exec',
    id: 'packages/1',
    recipe: 'packages',
    title: 'install',
    script,
    timeoutMs: 120_000,
    packages: true,
  });
  const execute = (...actions: PlannedAction[]) =>
    executeActions(world.guest, actions, { files: new Map(), context: world.context, packageCache: world.cache });
  return { world, anotherGuest, install, execute };
}

/** Every file below a folder: name and text. */
export async function treeText(dir: string): Promise<string> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const texts = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return `${relative(dir, path)}\n${entry.isFile() ? await readFile(path, 'latin1') : ''}`;
  });
  return (await Promise.all(texts)).join('\n');
}
