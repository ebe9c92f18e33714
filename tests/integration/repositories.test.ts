import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type BaseImage,
  type BuildPlan,
  type Clock,
  type DiskFormat,
  type PackageRepository,
  sha256,
  systemClock,
} from '../../src/core/index.ts';
import { keyFacts, readRepositories } from '../../src/engine/repositories/index.ts';
import { run } from '../../src/io/process.ts';
import { planBuild } from '../../src/plan/planner.ts';
import { makeDisk, makeExt4, makeXfs, type Tree } from '../support/disks.ts';
import { recipe } from '../support/house.ts';
import { startServer, type TestServer } from '../support/http-server.ts';
import { resolvedImage } from '../support/plan.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const signal = new AbortController().signal;
const DAY = 86_400_000;

const release = (suite: string, index: string, date = 'Sat, 14 Nov 2026 10:00:00 UTC') =>
  `Origin: Debian\nSuite: ${suite}\nCodename: ${suite}\nDate: ${date}\nSHA256:\n ${sha256(index)} 10 main/binary-amd64/Packages\n`;

interface Page {
  text: string;
  etag?: string;
  lastModified?: string;
  status?: number;
  /** Never answers. */
  isSilent?: boolean;
}

let dir: string;
let server: TestServer;
let pages: Record<string, Page>;
let context: TestContext;
let now: number;
let count = 0;

/** Time as the test sets it; waits a fiftieth as long as they say. */
const clock: Clock = { now: () => now, sleep: (ms, aborted) => systemClock.sleep(ms / 50, aborted) };

function answer(req: IncomingMessage, res: ServerResponse): void {
  const page = pages[req.url ?? ''];
  if (page?.isSilent === true) return;
  if (page?.etag !== undefined) res.setHeader('etag', page.etag);
  if (page?.lastModified !== undefined) res.setHeader('last-modified', page.lastModified);
  const isSame = page?.etag !== undefined && req.headers['if-none-match'] === page.etag;
  const isNotNewer = page?.lastModified !== undefined && req.headers['if-modified-since'] === page.lastModified;
  if (page === undefined) res.writeHead(404).end();
  else if (isSame || isNotNewer) res.writeHead(304).end();
  else res.writeHead(page.status ?? 200).end(page.text);
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-repositories-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));
beforeEach(async () => {
  now = Date.UTC(2026, 10, 20);
  pages = {
    '/debian/dists/trixie/InRelease': { text: release('trixie', 'one'), etag: '"1"' },
    '/debian/dists/trixie-updates/InRelease': {
      text: release('trixie-updates', 'two'),
      lastModified: 'Sat, 14 Nov 2026 10:00:00 GMT',
    },
    '/tool/Release': { text: 'Date: x\nSHA256:\n' },
  };
  server = await startServer(answer);
  context = await testContext({ clock });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await context[Symbol.asyncDispose]();
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

async function debian(format: DiskFormat = 'raw', tree: Tree = aptTree(server.url)): Promise<BaseImage> {
  const name = join(dir, `base-${count++}`);
  await makeExt4(`${name}.ext4`, tree, dir);
  await makeDisk(`${name}.raw`, [`${name}.ext4`]);
  if (format === 'raw') return baseOf(`${name}.raw`, 'raw');
  const options = format === 'qcow2' ? ['-c'] : [];
  await run('qemu-img', ['convert', ...options, '-O', format, `${name}.raw`, `${name}.${format}`], { signal });
  return baseOf(`${name}.${format}`, format);
}

function planOf(id = 'debian13', repositories: readonly PackageRepository[] = []): BuildPlan {
  const wants = recipe('demo', [], { packages: () => [{ name: 'jq' }], repositories: () => repositories });
  const seal = recipe('seal', []);
  return planBuild(resolvedImage(id, {}, { registry: [wants, seal] }));
}

const tool = (path: string): PackageRepository => ({
  name: 'tool',
  title: 'Tool',
  key: 'key',
  apt: { uri: `${server.url}${path}`, suite: '/', components: [] },
  rpm: { baseurl: `${server.url}${path}` },
});

const read = (base: BaseImage, plan = planOf(), lock?: { path: string; locked: boolean }) =>
  readRepositories(plan, base, lock === undefined ? {} : { lock }, context);
const asked = () =>
  server.requests.map(({ url, headers }) => `${url}${headers['if-none-match'] ?? headers['if-modified-since'] ?? ''}`);
const warnings = () => context.events.filter((event) => event.type === 'warning');

describe('readRepositories', () => {
  it.each(['raw', 'qcow2', 'vmdk'] as const)('reads the sources of a base in %s, and what the plan adds', async (format) => {
    const state = await read(await debian(format), planOf('debian13', [tool('/tool/')]));
    expect(state).toMatchObject({ seenMs: now });
    expect(state?.fingerprints.map(({ url }) => url)).toEqual([
      `${server.url}/debian/dists/trixie-updates/InRelease`,
      `${server.url}/debian/dists/trixie/InRelease`,
      `${server.url}/tool/Release`,
    ]);
    expect(keyFacts(state).repositories).toEqual(state?.fingerprints.map(({ url, sha256: hex }) => `${hex} ${url}`));
    expect(warnings()).toEqual([]);
    expect(context.journal.held).toEqual([]);
  });

  it('asks nobody when no packages are installed', async () => {
    const plan = planBuild(resolvedImage('debian13', {}, { registry: [recipe('demo', []), recipe('seal', [])] }));
    expect(await read(await debian(), plan)).toBeUndefined();
    expect(keyFacts(undefined)).toEqual({});
    expect(asked()).toEqual([]);
  });

  it('only asks whether anything changed the next time, and takes up what did', async () => {
    const base = await debian();
    const first = await read(base);
    const before = server.requests.length;
    now += DAY;
    expect(await read(base)).toEqual({ ...first, seenMs: now });
    expect(asked().slice(before).sort()).toEqual([
      '/debian/dists/trixie-updates/InReleaseSat, 14 Nov 2026 10:00:00 GMT',
      '/debian/dists/trixie/InRelease"1"',
    ]);
    pages['/debian/dists/trixie/InRelease'] = { text: release('trixie', 'other'), etag: '"2"' };
    const third = await read(base);
    expect(third?.fingerprints[0]).toEqual(first?.fingerprints[0]);
    expect(third?.fingerprints[1]?.sha256).not.toBe(first?.fingerprints[1]?.sha256);
  });

  it('does not mind an archive that was signed anew', async () => {
    const base = await debian();
    const first = await read(base);
    pages['/debian/dists/trixie/InRelease'] = { text: release('trixie', 'one', 'Thu, 19 Nov 2026 10:00:00 UTC'), etag: '"2"' };
    expect(await read(base)).toEqual(first);
  });

  it('reads the disk of a base once', async () => {
    const base = await debian();
    const first = await read(base);
    await rm(base.path);
    expect(await read(base)).toEqual(first);
  });

  it('knows the repositories of Rocky Linux: variables, lists of mirrors, Metalinks', async () => {
    const repo = [
      '[baseos]\nmirrorlist=URL/mirrorlist?arch=$basearch&repo=BaseOS-$releasever$rltype\nenabled=1',
      '[appstream]\nmetalink=URL/metalink?repo=AppStream-$releasever',
      '[extras]\nbaseurl=URL/$contentdir/$releasever/extras/',
      '[devel]\nbaseurl=URL/never/\nenabled=0\n',
    ].join('\n');
    const path = join(dir, 'rocky.xfs');
    const tree = {
      '/etc/os-release': 'ID="rocky"\nVERSION_ID="10.1"\n',
      '/etc/yum.repos.d/rocky.repo': repo.replaceAll('URL', server.url),
      '/etc/dnf/vars/contentdir': 'pub/rocky\n',
      '/etc/dnf/vars/rltype': '',
    };
    await makeXfs(path, tree, dir);
    const hash = sha256('app');
    pages = {
      '/mirrorlist?arch=x86_64&repo=BaseOS-10': { text: `# list\n${server.url}/dead/\n${server.url}/alive/` },
      '/alive/repodata/repomd.xml': { text: '<repomd/>' },
      '/metalink?repo=AppStream-10': {
        text: `<metalink><files><file name="repomd.xml"><verification><hash type="md5">x</hash><hash type="sha256">${hash}</hash></verification>
          <mm0:alternates><mm0:alternate><verification><hash type="sha256">${sha256('old')}</hash></verification></mm0:alternate></mm0:alternates></file></files></metalink>`,
      },
      '/pub/rocky/10/extras/repodata/repomd.xml': { text: '<repomd>2</repomd>' },
      '/tool/repodata/repomd.xml': { text: '<repomd>3</repomd>' },
    };
    const base = await baseOf(path, 'raw');
    const plan = planOf('rocky10', [tool('/tool')]);
    const state = await read(base, plan);
    expect(state?.fingerprints).toEqual([
      { url: `${server.url}/metalink#appstream`, sha256: hash },
      { url: `${server.url}/mirrorlist#baseos`, sha256: sha256('<repomd/>') },
      { url: `${server.url}/pub/rocky/10/extras/repodata/repomd.xml`, sha256: sha256('<repomd>2</repomd>') },
      { url: `${server.url}/tool/repodata/repomd.xml`, sha256: sha256('<repomd>3</repomd>') },
    ]);
    // Another mirror comes first now, but the one that was asked before is asked again.
    pages['/mirrorlist?arch=x86_64&repo=BaseOS-10'] = { text: `${server.url}/behind/\n${server.url}/alive/` };
    pages['/behind/repodata/repomd.xml'] = { text: '<repomd>older</repomd>' };
    expect(await read(base, plan)).toEqual(state);
  });
});

describe('a base that cannot be read', () => {
  it('is warned of; what the plan adds is watched all the same', async () => {
    const path = join(dir, 'btrfs.raw');
    const disk = Buffer.alloc(1 << 20);
    disk.write('_BHRfS_M', 65_600);
    await writeFile(path, disk);
    const base = await baseOf(path, 'raw');
    const state = await read(base, planOf('debian13', [tool('/tool/')]));
    expect(state?.fingerprints.map(({ url }) => url)).toEqual([`${server.url}/tool/Release`]);
    const warning = { code: 'KIB_INSPECT', message: expect.stringMatching(/not watched.*the whole disk: btrfs/) as string };
    expect(warnings()).toMatchObject([warning]);
    await read(base);
    expect(warnings()).toMatchObject([warning, warning]);
  });

  it('passes an abort on and remembers nothing', async () => {
    const base = await debian();
    context.abort();
    await expect(read(base)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await stat(join(context.dirs.cache, 'repositories', 'bases')).catch(() => undefined)).toBeUndefined();
  });
});

describe('without the network', () => {
  const change = (changes: Partial<Page>): void => {
    for (const page of Object.values(pages)) Object.assign(page, changes);
  };

  it.each([
    ['is gone', () => server[Symbol.asyncDispose]()],
    ['says nothing', async () => change({ isSilent: true })],
    ['is out of order', async () => change({ status: 503, etag: '"x"', lastModified: 'x' })],
  ])('what was seen before is used when the server %s, and its age is said', async (_what, fail) => {
    const base = await debian();
    const first = await read(base);
    const seenMs = now;
    now += 3.5 * DAY;
    await fail();
    const started = performance.now();
    const state = await read(base);
    // Eight seconds at most, on a clock that is fifty times as fast.
    expect(performance.now() - started).toBeLessThan(2000);
    expect(state).toEqual({
      fingerprints: first?.fingerprints,
      seenMs,
      offline: expect.stringContaining('/debian/dists/trixie'),
    });
    expect(warnings()).toMatchObject([
      {
        code: 'KIB_HTTP',
        message: expect.stringMatching(/; 2 package repositories may have changed since last seen 3 days ago$/),
      },
    ]);
  });

  it('a locked build goes on with what was locked', async () => {
    const base = await debian();
    const path = join(context.root, 'kib.lock');
    await read(base, planOf(), { path, locked: false });
    await server[Symbol.asyncDispose]();
    expect(await read(base, planOf(), { path, locked: true })).toMatchObject({ offline: expect.any(String) as string });
  });

  it('a repository that was never seen is an error that names it', async () => {
    const base = await debian();
    await read(base);
    const plan = planOf('debian13', [tool('/tool/')]);
    await server[Symbol.asyncDispose]();
    await expect(read(base, plan)).rejects.toMatchObject({
      code: 'KIB_HTTP',
      message: expect.stringMatching(/\/tool\/InRelease .*never seen before$/) as string,
      hint: expect.stringContaining('network') as string,
    });
  });

  it('a repository that perhaps the guest reaches is left out, with a warning, unless it is to be locked', async () => {
    const base = await debian();
    const seen = await read(base);
    const plan = planOf('debian13', [tool('/tool/')]);
    await server[Symbol.asyncDispose]();
    const state = await readRepositories(plan, base, { sharesNetwork: false }, context);
    expect(state?.fingerprints).toEqual(seen?.fingerprints);
    expect(warnings().map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^not watched for changes: .*\/tool\/InRelease .*never seen before$/),
    );
    const lock = { path: join(context.root, 'kib.lock'), locked: false };
    await expect(readRepositories(plan, base, { sharesNetwork: false, lock }, context)).rejects.toMatchObject({
      code: 'KIB_HTTP',
    });
  });

  it('a repository that is withdrawn is an error, whatever it held before', async () => {
    const base = await debian();
    await read(base);
    delete pages['/debian/dists/trixie/InRelease'];
    await expect(read(base)).rejects.toMatchObject({
      code: 'KIB_HTTP',
      message: expect.stringContaining('answered 404') as string,
    });
  });
});

describe('--locked', () => {
  it('refuses what changed since it was locked', async () => {
    const base = await debian();
    const lock = { path: join(context.root, 'kib.lock'), locked: true };
    await expect(read(base, planOf(), lock)).rejects.toMatchObject({ code: 'KIB_LOCK_DRIFT' });
    await read(base, planOf(), { ...lock, locked: false });
    await read(base, planOf(), lock);
    pages['/debian/dists/trixie/InRelease'] = { text: release('trixie', 'other'), etag: '"2"' };
    await expect(read(base, planOf(), lock)).rejects.toMatchObject({
      code: 'KIB_LOCK_DRIFT',
      message: expect.stringMatching(
        /debian13: something .*\n {2}package repository http.*trixie\/InRelease: want \w{64}, got \w{64}$/s,
      ) as string,
    });
    await read(base, planOf(), { ...lock, locked: false });
    await read(base, planOf(), lock);
  });
});
