import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findOs } from '../../src/catalog/index.ts';
import type { BaseSource, Context } from '../../src/core/index.ts';
import { fetchBase } from '../../src/engine/base/index.ts';
import { hurriedClock, type Served, serve, startServer, type TestServer } from '../support/http-server.ts';
import { makeSigner, type Signer } from '../support/openpgp.ts';
import { makeQcow2, place, publish, relocate, sign } from '../support/release-folder.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

type CloudImage = Extract<BaseSource, { kind: 'cloud-image' }>;
const exec = promisify(execFile);

let signer: Signer;
let stranger: Signer;
let root: string;
let server: TestServer;
let context: TestContext;
/** Faults by path. */
let faults: Record<string, Partial<Served> | 'missing'>;
/** Whether the server answers nothing but 503. */
let isDown: boolean;

beforeAll(async () => {
  [signer, stranger] = await Promise.all([makeSigner(), makeSigner()]);
});
afterAll(async () => {
  for (const one of [signer, stranger]) await one[Symbol.asyncDispose]();
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'kib-mirror-'));
  faults = {};
  isDown = false;
  context = await testContext({ clock: hurriedClock() });
  server = await startServer(async (req, res) => {
    const path = join(root, req.url ?? '');
    const fault = faults[req.url ?? ''];
    const bytes = fault === 'missing' ? undefined : await readFile(path).catch(() => undefined);
    if (isDown) res.writeHead(503).end();
    else if (bytes === undefined) res.writeHead(404).end();
    else serve(req, res, { bytes, etag: `"${(await stat(path)).mtimeMs}"`, ...(fault === 'missing' ? {} : fault) });
  });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await context[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

function cloudImage(id: string, arch: 'amd64' | 'arm64' = 'amd64'): CloudImage {
  const kind = id.startsWith('debian') ? 'pinned' : 'file';
  const source = findOs(id)?.bases[arch]?.find((base) => base.kind === 'cloud-image' && base.checksum.kind === kind);
  if (source?.kind !== 'cloud-image') throw new Error(`${id} has no cloud image`);
  return source;
}

/** A catalog entry on our server, with an image and lists in its distributor's form. */
async function local(id: string, arch: 'amd64' | 'arm64' = 'amd64'): Promise<CloudImage> {
  const source = cloudImage(id, arch);
  await publish(source, root, signer);
  const moved = relocate(source, server.url, signer.key);
  if (moved.checksum.kind === 'file') return moved;
  const image = await readFile(place(root, source.url));
  const { algorithm } = moved.checksum.digest;
  const digest = { algorithm, hex: createHash(algorithm).update(image).digest('hex') };
  return { ...moved, checksum: { ...moved.checksum, digest } };
}

const paths = () => server.requests.map((seen) => `${seen.method} ${seen.url}`);
const imageBytes = (source: CloudImage) => readFile(place(root, source.url));
const stored = (from: Context) => readdir(join(from.dirs.cache, 'downloads')).catch(() => []);

describe('catalog entries from a mirror', () => {
  it.each(['amd64', 'arm64'] as const)('rocky10 %s: signed CHECKSUM with BSD lines', async (arch) => {
    const source = await local('rocky10', arch);
    const base = await fetchBase(source, arch, context);
    const machine = arch === 'amd64' ? 'x86_64' : 'aarch64';
    expect(paths()).toEqual([
      `GET /pub/rocky/10/images/${machine}/CHECKSUM`,
      `GET /pub/rocky/10/images/${machine}/CHECKSUM.asc`,
      `GET /pub/rocky/10/images/${machine}/Rocky-10-GenericCloud-Base.latest.${machine}.qcow2`,
    ]);
    const image = await imageBytes(source);
    const hex = createHash('sha256').update(image).digest('hex');
    expect(base).toEqual({
      source,
      path: join(context.dirs.cache, 'downloads', `sha256-${hex}`),
      format: 'qcow2',
      sha256: hex,
      bytes: image.length,
      facts: {
        url: source.url,
        digest: `sha256:${hex}`,
        trust: `signed by ${signer.key.fingerprint}`,
        checksums: `${server.url}/pub/rocky/10/images/${machine}/CHECKSUM`,
      },
    });
    expect(await readdir(context.dirs.work)).toEqual([]);
    expect(context.journal.held).toEqual([]);
  });

  it('ubuntu2404: signed SHA256SUMS', async () => {
    const source = await local('ubuntu2404');
    const base = await fetchBase(source, 'amd64', context);
    expect(base.facts['trust']).toBe(`signed by ${signer.key.fingerprint}`);
    expect(paths()).toEqual([
      'GET /releases/noble/release/SHA256SUMS',
      'GET /releases/noble/release/SHA256SUMS.gpg',
      'GET /releases/noble/release/ubuntu-24.04-server-cloudimg-amd64.img',
    ]);
  });

  it.each(['debian12', 'debian13'])('%s: pinned SHA-512, nothing but the image is asked for', async (id) => {
    const source = await local(id);
    const base = await fetchBase(source, 'amd64', context);
    expect(base.facts['trust']).toBe('pinned digest');
    expect(base.sha256).toBe(
      createHash('sha256')
        .update(await imageBytes(source))
        .digest('hex'),
    );
    expect(paths()).toEqual([`GET ${new URL(source.url).pathname}`]);
  });

  it.each([
    ['almalinux9', 'AlmaLinux-9-GenericCloud-9.'],
    ['almalinux10', 'AlmaLinux-10-GenericCloud-10.'],
  ])('%s: the newest dated name of a signed CHECKSUM', async (id, start) => {
    const source = await local(id);
    const base = await fetchBase(source, 'amd64', context);
    expect(base.facts['trust']).toBe(`signed by ${signer.key.fingerprint}`);
    expect(base.facts['url']).toMatch(new RegExp(`/${start}[\\w.-]+\\.x86_64\\.qcow2$`));
    expect(paths().at(-1)).toBe(`GET ${new URL(base.facts['url'] ?? '').pathname}`);
  });

  it('centos7 arm64: a clear-signed list', async () => {
    const base = await fetchBase(await local('centos7', 'arm64'), 'arm64', context);
    expect(base.facts['trust']).toBe(`signed by ${signer.key.fingerprint}`);
  });

  it('a pinned image that has gone to the archive is taken from there', async () => {
    const source = await local('debian13');
    const archive = `${server.url}/archive/debian-13.qcow2`;
    await mkdir(join(root, 'archive'));
    await rename(place(root, source.url), place(root, archive));
    const base = await fetchBase({ ...source, archives: [`${server.url}/nothing.qcow2`, archive] }, 'amd64', context);
    expect(base.facts['url']).toBe(archive);
    expect(paths().map((path) => path.split('/').at(-1))).toEqual([
      source.url.split('/').at(-1),
      'nothing.qcow2',
      'debian-13.qcow2',
    ]);
  });

  it('an archive that holds something else under the name is not believed', async () => {
    const source = await local('debian13');
    const archive = `${server.url}/archive.qcow2`;
    await rm(place(root, source.url));
    await makeQcow2(place(root, archive));
    await expect(fetchBase({ ...source, archives: [archive] }, 'amd64', context)).rejects.toMatchObject({
      code: 'KIB_DIGEST_MISMATCH',
    });
  });

  it('an unsigned SHA512SUMS is used with a warning', async () => {
    const folder = `${server.url}/images/cloud/trixie/latest`;
    const source: CloudImage = {
      kind: 'cloud-image',
      url: `${folder}/debian-13-genericcloud-amd64.qcow2`,
      format: 'qcow2',
      checksum: { kind: 'file', url: `${folder}/SHA512SUMS`, algorithm: 'sha512' },
    };
    await publish(source, root, signer);
    const base = await fetchBase(source, 'amd64', context);
    expect(base.facts['trust']).toBe('unsigned checksum file');
    expect(context.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_SIGNATURE' }));
  });

  it('a respin is taken up, the image before it stays in the cache', async () => {
    const source = await local('rocky10');
    const first = await fetchBase(source, 'amd64', context);
    await makeQcow2(place(root, source.url));
    await sign(source, root, signer);
    const second = await fetchBase(source, 'amd64', context);
    expect(second.sha256).not.toBe(first.sha256);
    expect((await stored(context)).filter((name) => !name.endsWith('.json'))).toHaveLength(2);
  });
});

describe('without the network', () => {
  const image = { code: 'KIB_HTTP', message: expect.stringContaining('.qcow2') as string };
  const list = { code: 'KIB_HTTP', message: expect.stringContaining('/CHECKSUM') as string };
  const warnings = () => context.events.filter((event) => event.type === 'warning');
  const kept = async () => {
    const folder = join(context.dirs.cache, 'checksums');
    const [name = ''] = await readdir(folder);
    return join(folder, name);
  };

  it('a signed image that is in the cache is used, with a warning that says how old its list is', async () => {
    const source = await local('rocky10');
    const first = await fetchBase(source, 'amd64', context);
    await server[Symbol.asyncDispose]();
    expect(await fetchBase(source, 'amd64', context)).toEqual(first);
    expect(warnings()).toMatchObject([
      { code: 'KIB_HTTP', message: expect.stringMatching(/CHECKSUM failed: .*; its copy from less than an hour ago is used/) },
    ]);
  });

  it('also while the server is out of order, but not when the list was withdrawn', async () => {
    const source = await local('rocky10');
    const first = await fetchBase(source, 'amd64', context);
    isDown = true;
    expect(await fetchBase(source, 'amd64', context)).toEqual(first);
    isDown = false;
    faults['/pub/rocky/10/images/x86_64/CHECKSUM'] = 'missing';
    await expect(fetchBase(source, 'amd64', context)).rejects.toMatchObject(list);
  });

  it('an image that is not in the cache is asked for', async () => {
    const source = await local('rocky10');
    await fetchBase(source, 'amd64', context);
    await rm(join(context.dirs.cache, 'downloads'), { recursive: true });
    await server[Symbol.asyncDispose]();
    await expect(fetchBase(source, 'amd64', context)).rejects.toMatchObject(image);
  });

  it.each([
    ['never fetched', () => rm(join(context.dirs.cache, 'checksums'), { recursive: true })],
    ['damaged', async () => writeFile(await kept(), '{"fetched": 1')],
    [
      'tampered with',
      async () => {
        const { document, ...rest } = JSON.parse(await readFile(await kept(), 'utf8')) as { document: string };
        const text = Buffer.from(document, 'base64').toString().replace('Rocky', 'Other');
        await writeFile(await kept(), JSON.stringify({ ...rest, document: Buffer.from(text).toString('base64') }));
      },
    ],
  ])('a list that was %s is not used', async (_what, spoil) => {
    const source = await local('rocky10');
    await fetchBase(source, 'amd64', context);
    await spoil();
    await server[Symbol.asyncDispose]();
    await expect(fetchBase(source, 'amd64', context)).rejects.toMatchObject(list);
    expect(warnings()).toEqual([]);
  });
});

describe('what is not to be trusted', () => {
  it('a tampered image', async () => {
    const source = await local('rocky10');
    const image = await imageBytes(source);
    image[image.length - 1] = (image.at(-1) ?? 0) ^ 1;
    await writeFile(place(root, source.url), image);
    await expect(fetchBase(source, 'amd64', context)).rejects.toMatchObject({ code: 'KIB_DIGEST_MISMATCH' });
    expect(await stored(context)).toEqual([]);
    expect(paths().filter((path) => path.endsWith('.qcow2'))).toHaveLength(1);
  });

  it('a tampered checksum file, even when it fits a tampered image', async () => {
    const source = await local('ubuntu2404');
    const signature = join(root, 'releases/noble/release/SHA256SUMS.gpg');
    const genuine = await readFile(signature);
    await makeQcow2(place(root, source.url));
    await sign(source, root, stranger);
    await writeFile(signature, genuine);
    await expect(fetchBase(source, 'amd64', context)).rejects.toMatchObject({
      code: 'KIB_SIGNATURE',
      message: expect.stringContaining('the text is not what was signed') as string,
    });
    expect(paths().filter((path) => path.endsWith('.img'))).toEqual([]);
  });

  it('a list signed by somebody else', async () => {
    const source = await local('rocky10');
    await sign(source, root, stranger);
    await expect(fetchBase(source, 'amd64', context)).rejects.toMatchObject({ code: 'KIB_SIGNATURE' });
  });

  it('a list whose signature is missing', async () => {
    const source = await local('rocky10');
    faults['/pub/rocky/10/images/x86_64/CHECKSUM.asc'] = 'missing';
    await expect(fetchBase(source, 'amd64', context)).rejects.toMatchObject({
      code: 'KIB_SIGNATURE',
      message: expect.stringContaining('there is no signature at') as string,
    });
  });

  it('an image that makes QEMU read other files', async () => {
    const secret = join(root, 'secret');
    await writeFile(secret, 'x'.repeat(4096));
    const url = `${server.url}/evil.qcow2`;
    const evil = join(root, 'evil.qcow2');
    const variants = [
      ['-b', secret, '-F', 'raw'],
      ['-o', `data_file=${join(root, 'data')}`],
    ];
    for (const options of variants) {
      await exec('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, evil, '1M']);
      const hex = createHash('sha256')
        .update(await readFile(evil))
        .digest('hex');
      const checksum = { kind: 'pinned', digest: { algorithm: 'sha256', hex } } as const;
      await expect(fetchBase({ kind: 'cloud-image', url, format: 'qcow2', checksum }, 'amd64', context)).rejects.toMatchObject({
        code: 'KIB_BASE_INVALID',
        message: expect.stringContaining('a base must stand alone') as string,
      });
      await expect(fetchBase({ kind: 'file', path: evil, format: 'qcow2' }, 'amd64', context)).rejects.toMatchObject({
        code: 'KIB_BASE_INVALID',
      });
    }
  });

  it('an image that is gone', async () => {
    const source = await local('debian13');
    await rm(place(root, source.url));
    await expect(fetchBase(source, 'amd64', context)).rejects.toMatchObject({
      code: 'KIB_HTTP',
      message: expect.stringContaining('is no longer there') as string,
      hint: expect.stringContaining('base: latest') as string,
    });
  });
});

describe('a file of this host', () => {
  it('is read where it lies', async () => {
    const path = join(root, 'base.qcow2');
    await makeQcow2(path);
    const hex = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    const digest = { algorithm: 'sha256', hex } as const;
    const base = await fetchBase({ kind: 'file', path, format: 'qcow2', digest }, 'amd64', context);
    expect(base).toMatchObject({ path, sha256: hex, facts: { trust: 'pinned digest' } });
    expect(await stored(context)).toEqual([]);
    const wrong = { algorithm: 'sha256', hex: '0'.repeat(64) } as const;
    await expect(fetchBase({ kind: 'file', path, format: 'qcow2', digest: wrong }, 'amd64', context)).rejects.toMatchObject({
      code: 'KIB_DIGEST_MISMATCH',
    });
  });

  it('is read again only when it was touched', async () => {
    const path = join(root, 'base.qcow2');
    await makeQcow2(path);
    const source = { kind: 'file', path, format: 'qcow2' } as const;
    const reads = async (): Promise<[sha256: string, wasRead: boolean]> => {
      const before = context.events.length;
      const { sha256 } = await fetchBase(source, 'amd64', context);
      return [sha256, context.events.slice(before).some((event) => event.type === 'span.progress')];
    };
    const [first] = await reads();
    expect(await reads()).toEqual([first, false]);
    const image = await readFile(path);
    image[image.length - 1] = (image.at(-1) ?? 0) ^ 1;
    await writeFile(path, image);
    const second = createHash('sha256').update(image).digest('hex');
    expect(await reads()).toEqual([second, true]);
    expect(await reads()).toEqual([second, false]);
    const digest = { algorithm: 'sha512', hex: createHash('sha512').update(image).digest('hex') } as const;
    expect((await fetchBase({ ...source, digest }, 'amd64', context)).facts['trust']).toBe('pinned digest');
  });

  it('of another format, damaged or missing is refused', async () => {
    const path = join(root, 'base.qcow2');
    await makeQcow2(path);
    const refused = (problem: string) => ({ code: 'KIB_BASE_INVALID', message: expect.stringContaining(problem) as string });
    await expect(fetchBase({ kind: 'file', path, format: 'raw' }, 'amd64', context)).rejects.toMatchObject(
      refused('want the format raw, got qcow2'),
    );
    const cut = join(root, 'cut.qcow2');
    await writeFile(cut, (await readFile(path)).subarray(0, 20));
    await expect(fetchBase({ kind: 'file', path: cut, format: 'qcow2' }, 'amd64', context)).rejects.toMatchObject(
      refused('qemu-img'),
    );
    await expect(fetchBase({ kind: 'file', path: root, format: 'raw' }, 'amd64', context)).rejects.toMatchObject(
      refused('not a regular file'),
    );
    await expect(fetchBase({ kind: 'file', path: `${path}.gone`, format: 'raw' }, 'amd64', context)).rejects.toMatchObject(
      refused('ENOENT'),
    );
  });
});

describe('a killed download', () => {
  it('is taken over by the next build, which goes on where it stopped', async () => {
    const source = await local('rocky10');
    const image = await imageBytes(source);
    const path = new URL(source.url).pathname;
    faults[path] = { stallAfter: 2 * 1024 * 1024 };
    const script = fileURLToPath(new URL('../support/fetch-base.ts', import.meta.url));
    const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const argv = ['--import', tsx, script, JSON.stringify(source), context.dirs.cache];
    const child = spawn(process.execPath, argv, { stdio: 'inherit', env: { ...process.env, TMPDIR: root } });
    const ended = new Promise((resolve) => child.once('close', (_code, signal) => resolve(signal)));
    const part = join(context.dirs.cache, 'downloads', `sha256-${createHash('sha256').update(image).digest('hex')}.part`);
    await expect.poll(async () => (await stat(part).catch(() => undefined))?.size, { timeout: 30_000 }).toBe(2 * 1024 * 1024);
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    expect((await stored(context)).some((name) => name.includes('.lock-'))).toBe(true);

    faults = {};
    const base = await fetchBase(source, 'amd64', context);
    expect(base.bytes).toBe(image.length);
    expect(server.requests.filter((seen) => seen.url === path).map((seen) => seen.headers.range)).toEqual([
      undefined,
      `bytes=${2 * 1024 * 1024}-`,
    ]);
    expect((await stored(context)).filter((name) => name.includes('.lock-') || name.includes('.part'))).toEqual([]);
  });
});
