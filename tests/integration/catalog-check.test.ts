import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findOs } from '../../src/catalog/index.ts';
import type { Arch, BaseSource, OsDefinition } from '../../src/core/index.ts';
import { checkCatalog, isBad, type SourceReport } from '../../src/engine/catalog-check.ts';
import { withHttp } from '../../src/io/http.ts';
import { cli } from '../support/cli.ts';
import { hurriedClock, serve, startServer, type TestServer } from '../support/http-server.ts';
import { makeSigner, type Signer } from '../support/openpgp.ts';
import { testRegistry } from '../support/registry.ts';
import { makeQcow2, place, publish, relocate, sign, wholeUrl } from '../support/release-folder.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;

let signer: Signer;
let stranger: Signer;
let root: string;
let scratch: string;
let server: TestServer;
let status: number | undefined;

beforeAll(async () => {
  [signer, stranger] = await Promise.all([makeSigner(), makeSigner()]);
});
afterAll(async () => {
  for (const one of [signer, stranger]) await one[Symbol.asyncDispose]();
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'kib-mirror-'));
  scratch = await mkdtemp(join(tmpdir(), 'kib-scratch-'));
  status = undefined;
  server = await startServer(async (req, res) => {
    const bytes = await readFile(join(root, decodeURIComponent(req.url ?? ''))).catch(() => undefined);
    if (status !== undefined) res.writeHead(status).end();
    else if (bytes === undefined) res.writeHead(404).end();
    else serve(req, res, { bytes });
  });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  for (const dir of [root, scratch]) await rm(dir, { recursive: true, force: true });
});

/** A system of the catalog on our server; its latest image is a copy of the pinned one until a test makes another. */
async function mirrored(id: string, arch: Arch = 'amd64'): Promise<OsDefinition> {
  const os = findOs(id);
  if (os === undefined) throw new Error(`no ${id}`);
  const moved: BaseSource[] = [];
  let pinned: Buffer | undefined;
  for (const source of os.bases[arch] ?? []) {
    if (source.kind !== 'cloud-image') continue;
    await publish(source, root, signer);
    const image = place(root, wholeUrl(source.url));
    if (pinned === undefined) pinned = await readFile(image);
    else await writeFile(image, pinned);
    if (source.checksum.kind === 'file' || source.checksum.list !== undefined) await sign(source, root, signer);
    moved.push(withDigest(relocate(source, server.url, signer.key), pinned));
  }
  return { ...os, bases: { [arch]: moved } };
}

function withDigest(source: CloudImage, image: Buffer): CloudImage {
  if (source.checksum.kind !== 'pinned') return source;
  const { algorithm } = source.checksum.digest;
  const digest = { algorithm, hex: createHash(algorithm).update(image).digest('hex') };
  return { ...source, checksum: { ...source.checksum, digest } };
}

function imageOf(os: OsDefinition, base: 'pinned' | 'latest'): CloudImage {
  const found = os.bases.amd64?.find(
    (source) => source.kind === 'cloud-image' && (source.checksum.kind === 'pinned') === (base === 'pinned'),
  );
  if (found?.kind !== 'cloud-image') throw new Error(`no ${base} image`);
  return found;
}

async function check(...systems: readonly OsDefinition[]): Promise<readonly SourceReport[]> {
  const { signal } = new AbortController();
  return withHttp({ clock: hurriedClock(), network: {} }, (http) => checkCatalog({ systems, http, scratch, signal }));
}

const brief = (reports: readonly SourceReport[]) => reports.map(({ base, status: found }) => `${base} ${found}`);

describe('catalog check', () => {
  it.each(['debian13', 'ubuntu2404', 'rocky9', 'rocky10', 'almalinux9', 'centos-stream10', 'amazonlinux2023', 'centos7'])(
    '%s is fine when everything is where it was; no image is downloaded',
    async (id) => {
      const reports = await check(await mirrored(id));
      expect(brief(reports)).toEqual(['pinned ok', 'latest ok']);
      expect(reports[0]?.detail).toBe('is there, with the digest of the catalog');
      for (const { headers, url } of server.requests) if (/\.(qcow2|img)$/.test(url)) expect(headers.range).toBe('bytes=0-0');
      expect(await readdir(scratch)).toEqual([]);
    },
  );

  it('says so where there is no list to compare with', async () => {
    expect(await check(await mirrored('oraclelinux9'))).toMatchObject([
      { os: 'oraclelinux9', arch: 'amd64', base: 'pinned', status: 'ok', detail: expect.stringContaining('no list') as string },
    ]);
  });

  it('finds a newer build, and its name', async () => {
    const os = await mirrored('almalinux9');
    const latest = imageOf(os, 'latest');
    await makeQcow2(place(root, wholeUrl(latest.url)));
    await sign(latest, root, signer);
    const [pinned, newest] = await check(os);
    expect(pinned).toMatchObject({ status: 'newer', newest: { url: wholeUrl(latest.url) } });
    expect(newest).toMatchObject({ status: 'ok', url: wholeUrl(latest.url) });
    expect(pinned === undefined || isBad(pinned)).toBe(false);
  });

  it('finds a pinned image that is gone', async () => {
    const os = await mirrored('debian13');
    await rm(place(root, imageOf(os, 'pinned').url));
    expect(brief(await check(os))).toEqual(['pinned rotted', 'latest ok']);
  });

  it('finds a pinned image in the archive', async () => {
    const os = await mirrored('rocky10');
    const { url, archives: [archive = ''] = [] } = imageOf(os, 'pinned');
    await mkdir(dirname(place(root, archive)), { recursive: true });
    await rename(place(root, url), place(root, archive));
    expect((await check(os))[0]).toMatchObject({ status: 'moved', url: archive, detail: `is gone from ${url}` });
  });

  it('finds a digest that its distributor does not give any more', async () => {
    const os = await mirrored('ubuntu2404');
    const pinned = imageOf(os, 'pinned');
    await makeQcow2(place(root, pinned.url));
    await sign(pinned, root, signer);
    expect((await check(os))[0]).toMatchObject({
      status: 'differs',
      detail: expect.stringContaining('its distributor gives') as string,
    });
  });

  it('finds a list that nobody should believe', async () => {
    const os = await mirrored('rocky10');
    await sign(imageOf(os, 'latest'), root, stranger);
    expect(brief(await check(os))).toEqual(['pinned ok', 'latest untrusted']);
  });

  it('finds an image that its list does not name any more', async () => {
    const os = await mirrored('amazonlinux2023');
    await writeFile(place(root, `${dirname(imageOf(os, 'latest').url)}/SHA256SUMS`), `${'0'.repeat(64)}  other.qcow2\n`);
    expect(brief(await check(os))).toEqual(['pinned ok', 'latest rotted']);
  });

  it('takes a refusal for a file that is not there, and an outage for what it is', async () => {
    const os = await mirrored('debian13');
    status = 403;
    expect(brief(await check(os))).toEqual(['pinned rotted', 'latest rotted']);
    status = 500;
    expect(brief(await check(os))).toEqual(['pinned unreachable', 'latest unreachable']);
  });

  it('ends when it is interrupted', async () => {
    const os = await mirrored('debian13');
    const signal = AbortSignal.abort();
    await expect(
      withHttp({ clock: hurriedClock(), network: {} }, (http) => checkCatalog({ systems: [os], http, scratch, signal })),
    ).rejects.toThrow();
  });
});

describe('kib-native catalog check', () => {
  const registry = (os: OsDefinition) => () => Promise.resolve({ ...testRegistry, catalog: [os] });

  it('prints a line per image and ends with 0', async () => {
    const run = await cli(['catalog', 'check', 'debian-13'], { registry: registry(await mirrored('debian13')) });
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/^✓ debian13 {2}amd64 {2}pinned {2}ok {2}is there.*\n✓ debian13 {2}amd64 {2}latest {2}ok/);
  });

  it('ends with 4 when something rotted, and says it as JSON', async () => {
    const os = await mirrored('debian13');
    await rm(place(root, imageOf(os, 'pinned').url));
    const run = await cli(['catalog', 'check', '--json'], { registry: registry(os) });
    expect(run.code).toBe(4);
    expect(JSON.parse(run.stdout)).toMatchObject([{ os: 'debian13', status: 'rotted' }, { status: 'ok' }]);
    expect(run.stderr).toContain('KIB_CATALOG_ROTTED');
  });

  it('does not call rotten what it cannot reach', async () => {
    const os = await mirrored('oraclelinux9');
    await server[Symbol.asyncDispose]();
    const run = await cli(['catalog', 'check'], { registry: registry(os) });
    expect(run.code).toBe(4);
    expect(run.stdout).toMatch(/^\? oraclelinux9 {2}amd64 {2}pinned {2}unreachable/);
    expect(run.stderr).toContain('KIB_HTTP: 1 of 1 images of the catalog could not be asked for');
  });

  it('knows the names there are', async () => {
    const run = await cli(['catalog', 'check', 'debain-13'], { registry: registry(await mirrored('debian13')) });
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('did you mean debian-13?');
  });
});
