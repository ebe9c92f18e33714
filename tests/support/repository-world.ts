import { mkdtemp, rm, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import {
  type BaseImage,
  type BuildPlan,
  type Clock,
  type DiskFormat,
  type PackageRepository,
  sha256,
  systemClock,
} from '../../src/core/index.ts';
import { readRepositories } from '../../src/engine/repositories/index.ts';
import { run } from '../../src/io/process.ts';
import { planBuild } from '../../src/plan/planner.ts';
import { makeDisk, makeExt4, type Tree } from './disks.ts';
import { recipe } from './house.ts';
import { startServer, type TestServer } from './http-server.ts';
import { resolvedImage } from './plan.ts';
import { type TestContext, testContext } from './test-context.ts';

const signal = new AbortController().signal;

/** A Release file whose packages are told by `index`. */
export const release = (suite: string, index: string, date = 'Sat, 14 Nov 2026 10:00:00 UTC'): string =>
  `Origin: Debian\nSuite: ${suite}\nCodename: ${suite}\nDate: ${date}\nSHA256:\n ${sha256(index)} 10 main/binary-amd64/Packages\n`;

export interface Page {
  text: string;
  etag?: string;
  lastModified?: string;
  status?: number;
  /** Never answers. */
  isSilent?: boolean;
}

/** What a test has: a server of package repositories, and time as it sets it. */
export interface World {
  dir: string;
  server: TestServer;
  /** By path. */
  pages: Record<string, Page>;
  context: TestContext;
  now: number;
}

export function planOf(id = 'debian13', repositories: readonly PackageRepository[] = []): BuildPlan {
  const wants = recipe('demo', [], { packages: () => [{ name: 'jq' }], repositories: () => repositories });
  const seal = recipe('seal', []);
  return planBuild(resolvedImage(id, {}, { registry: [wants, seal] }));
}

/** A server with Debian's repositories for each test of a file, bases that name them, and how they are read. */
export function repositoryWorld() {
  const world = { dir: '', pages: {}, now: 0 } as World;
  /** Waits a fiftieth as long as they say. */
  const clock: Clock = { now: () => world.now, sleep: (ms, aborted) => systemClock.sleep(ms / 50, aborted) };
  let count = 0;
  beforeAll(async () => {
    world.dir = await mkdtemp(join(tmpdir(), 'kib-repositories-'));
  });
  afterAll(() => rm(world.dir, { recursive: true, force: true }));
  beforeEach(async () => {
    world.now = Date.UTC(2026, 10, 20);
    world.pages = {
      '/debian/dists/trixie/InRelease': { text: release('trixie', 'one'), etag: '"1"' },
      '/debian/dists/trixie-updates/InRelease': {
        text: release('trixie-updates', 'two'),
        lastModified: 'Sat, 14 Nov 2026 10:00:00 GMT',
      },
      '/tool/Release': { text: 'Date: x\nSHA256:\n' },
    };
    world.server = await startServer((req, res) => answer(world.pages[req.url ?? ''], req, res));
    world.context = await testContext({ clock });
  });
  afterEach(async () => {
    await world.server[Symbol.asyncDispose]();
    await world.context[Symbol.asyncDispose]();
  });

  const aptTree = (url: string): Tree => ({
    '/etc/os-release': 'ID=debian\nVERSION_ID="13"\n',
    '/etc/apt/sources.list': '# See /etc/apt/sources.list.d/debian.sources\n',
    '/etc/apt/sources.list.d/debian.sources': `Types: deb deb-src\nURIs: ${url}/debian\nSuites: trixie trixie-updates\nComponents: main\n`,
  });

  async function baseOf(path: string, format: DiskFormat): Promise<BaseImage> {
    const { size: bytes } = await stat(path);
    const digest = sha256(`${path} ${count++}`);
    return { source: { kind: 'file', path, format }, path, format, sha256: digest, bytes, facts: {} };
  }

  async function debian(format: DiskFormat = 'raw', tree: Tree = aptTree(world.server.url)): Promise<BaseImage> {
    const name = join(world.dir, `base-${count++}`);
    await makeExt4(`${name}.ext4`, tree, world.dir);
    await makeDisk(`${name}.raw`, [`${name}.ext4`]);
    if (format === 'raw') return baseOf(`${name}.raw`, 'raw');
    const options = format === 'qcow2' ? ['-c'] : [];
    await run('qemu-img', ['convert', ...options, '-O', format, `${name}.raw`, `${name}.${format}`], { signal });
    return baseOf(`${name}.${format}`, format);
  }

  const tool = (path: string): PackageRepository => ({
    name: 'tool',
    title: 'Tool',
    key: 'key',
    apt: { uri: `${world.server.url}${path}`, suite: '/', components: [] },
    rpm: { baseurl: `${world.server.url}${path}` },
  });

  const read = (base: BaseImage, plan = planOf(), lock?: { path: string; locked: boolean }) =>
    readRepositories(plan, base, lock === undefined ? {} : { lock }, world.context);
  const asked = () =>
    world.server.requests.map(({ url, headers }) => `${url}${headers['if-none-match'] ?? headers['if-modified-since'] ?? ''}`);
  const warnings = () => world.context.events.filter((event) => event.type === 'warning');
  return { world, baseOf, debian, tool, read, asked, warnings };
}

function answer(page: Page | undefined, req: IncomingMessage, res: ServerResponse): void {
  if (page?.isSilent === true) return;
  if (page?.etag !== undefined) res.setHeader('etag', page.etag);
  if (page?.lastModified !== undefined) res.setHeader('last-modified', page.lastModified);
  const isSame = page?.etag !== undefined && req.headers['if-none-match'] === page.etag;
  const isNotNewer = page?.lastModified !== undefined && req.headers['if-modified-since'] === page.lastModified;
  if (page === undefined) res.writeHead(404).end();
  else if (isSame || isNotNewer) res.writeHead(304).end();
  else res.writeHead(page.status ?? 200).end(page.text);
}
