import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/index.ts';
import { currentArchive } from '../../src/engine/base/current-archive.ts';
import { startServer, type TestServer } from '../support/http-server.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const release = (name: string, index: string) =>
  `Origin: Debian\nSuite: stable\nCodename: ${name}\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n ${sha256(index)} 1 main/binary-amd64/Packages\n`;

let context: TestContext;
let server: TestServer;
let root: string;

beforeEach(async () => {
  context = await testContext();
  root = join(context.root, 'mirror');
  await publish('debian', 'trixie', 'one');
  await publish('debian-security', 'trixie-security', 'two');
  server = await startServer(async (req, res) => {
    const text = await readFile(join(root, req.url ?? ''), 'utf8').catch(() => undefined);
    const etag = `"${sha256(text ?? '')}"`;
    if (text === undefined) res.writeHead(404).end();
    else if (req.headers['if-none-match'] === etag) res.writeHead(304).end();
    else res.writeHead(200, { etag, 'content-length': Buffer.byteLength(text) }).end(text);
  });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await context[Symbol.asyncDispose]();
});

async function publish(archive: string, suite: string, index: string): Promise<void> {
  await mkdir(join(root, archive, 'dists', suite), { recursive: true });
  await writeFile(join(root, archive, 'dists', suite, 'InRelease'), release(suite, index));
}

async function read(mirror = `${server.url}/debian`) {
  const scratch = join(context.dirs.work, 'scratch');
  await mkdir(scratch, { recursive: true });
  try {
    const before = server.requests.length;
    const { signal } = context;
    const archive = await currentArchive({ suite: 'trixie', arch: 'amd64', mirror, scratch, signal }, context);
    const agents = new Set(server.requests.slice(before).map(({ headers }) => headers['user-agent']?.split(' ')[0]));
    const wasAptRun = (await readdir(scratch)).length > 0;
    return { archive, agents: [...agents], wasAptRun };
  } finally {
    await rm(scratch, { recursive: true });
  }
}

describe('currentArchive', () => {
  it('runs apt the first time, and not again while nothing changed', async () => {
    const first = await read();
    expect(first).toMatchObject({ wasAptRun: true, agents: ['Debian'] });
    expect(first.archive.suites.map(({ suite }) => suite)).toEqual(['trixie', 'trixie-security']);
    expect(await read()).toEqual({ archive: first.archive, wasAptRun: false, agents: ['kib-native'] });
    const before = server.requests.length;
    expect((await read()).archive).toEqual(first.archive);
    const again = server.requests.slice(before);
    expect(
      again
        .filter(({ headers }) => headers['if-none-match'] !== undefined)
        .map(({ url }) => url)
        .sort(),
    ).toEqual(['/debian-security/dists/trixie-security/InRelease', '/debian/dists/trixie/InRelease']);
  });

  it.each([
    ['packages change', () => publish('debian', 'trixie', 'other')],
    ['a suite appears', () => publish('debian', 'trixie-updates', 'new')],
    ['a suite appears in a place that comes first', () => publish('debian', 'trixie-security', 'first')],
    ['a suite goes', () => rm(join(root, 'debian-security'), { recursive: true })],
  ])('asks apt again when %s', async (_what, change) => {
    const first = await read();
    await read();
    await change();
    const changed = await read();
    expect(changed.wasAptRun).toBe(true);
    expect(changed.archive).not.toEqual(first.archive);
    expect(await read()).toMatchObject({ archive: changed.archive, wasAptRun: false });
  });

  it('asks apt when what is remembered is of no use', async () => {
    await read();
    const folder = join(context.dirs.cache, 'repositories', 'archives');
    for (const name of await readdir(folder)) await writeFile(join(folder, name), '{"v":1');
    expect(await read()).toMatchObject({ wasAptRun: true });
  });

  it('reads an archive of this host where it lies', async () => {
    const mirror = pathToFileURL(join(root, 'debian')).href;
    const first = await read(mirror);
    expect(await read(mirror)).toEqual({ ...first, wasAptRun: false });
    await publish('debian', 'trixie', 'other');
    expect((await read(mirror)).archive).not.toEqual(first.archive);
  });

  it('fails as apt does when nobody answers, and soon', async () => {
    const mirror = `${server.url}/debian`;
    await read(mirror);
    await server[Symbol.asyncDispose]();
    const started = performance.now();
    await expect(read(mirror)).rejects.toMatchObject({ code: 'KIB_BOOTSTRAP', retryable: true });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(context.journal.held).toEqual([]);
  });
});
