import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fetchBase } from '../../src/engine/base/index.ts';
import { mirrorWorld } from '../support/mirror-world.ts';
import { type CloudImage, makeQcow2, place, publish, sign } from '../support/release-folder.ts';

const { world, local, paths, imageBytes, stored } = mirrorWorld();

describe('catalog entries from a mirror', () => {
  it.each(['amd64', 'arm64'] as const)('rocky10 %s: signed CHECKSUM with BSD lines', async (arch) => {
    const source = await local('rocky10', arch);
    const base = await fetchBase(source, arch, world.context);
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
      path: join(world.context.dirs.cache, 'downloads', `sha256-${hex}`),
      format: 'qcow2',
      sha256: hex,
      bytes: image.length,
      facts: {
        url: source.url,
        digest: `sha256:${hex}`,
        trust: `signed by ${world.signer.key.fingerprint}`,
        checksums: `${world.server.url}/pub/rocky/10/images/${machine}/CHECKSUM`,
      },
    });
    expect(await readdir(world.context.dirs.work)).toEqual([]);
    expect(world.context.journal.held).toEqual([]);
  });

  it('ubuntu2404: signed SHA256SUMS', async () => {
    const source = await local('ubuntu2404');
    const base = await fetchBase(source, 'amd64', world.context);
    expect(base.facts['trust']).toBe(`signed by ${world.signer.key.fingerprint}`);
    expect(paths()).toEqual([
      'GET /releases/noble/release/SHA256SUMS',
      'GET /releases/noble/release/SHA256SUMS.gpg',
      'GET /releases/noble/release/ubuntu-24.04-server-cloudimg-amd64.img',
    ]);
  });

  it.each(['debian12', 'debian13'])('%s: pinned SHA-512, nothing but the image is asked for', async (id) => {
    const source = await local(id);
    const base = await fetchBase(source, 'amd64', world.context);
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
    const base = await fetchBase(source, 'amd64', world.context);
    expect(base.facts['trust']).toBe(`signed by ${world.signer.key.fingerprint}`);
    expect(base.facts['url']).toMatch(new RegExp(`/${start}[\\w.-]+\\.x86_64\\.qcow2$`));
    expect(paths().at(-1)).toBe(`GET ${new URL(base.facts['url'] ?? '').pathname}`);
  });

  it('centos7 arm64: a clear-signed list', async () => {
    const base = await fetchBase(await local('centos7', 'arm64'), 'arm64', world.context);
    expect(base.facts['trust']).toBe(`signed by ${world.signer.key.fingerprint}`);
  });

  it('a pinned image that has gone to the archive is taken from there', async () => {
    const source = await local('debian13');
    const archive = `${world.server.url}/archive/debian-13.qcow2`;
    await mkdir(join(world.root, 'archive'));
    await rename(place(world.root, source.url), place(world.root, archive));
    const base = await fetchBase({ ...source, archives: [`${world.server.url}/nothing.qcow2`, archive] }, 'amd64', world.context);
    expect(base.facts['url']).toBe(archive);
    expect(paths().map((path) => path.split('/').at(-1))).toEqual([
      source.url.split('/').at(-1),
      'nothing.qcow2',
      'debian-13.qcow2',
    ]);
  });

  it('an archive that holds something else under the name is not believed', async () => {
    const source = await local('debian13');
    const archive = `${world.server.url}/archive.qcow2`;
    await rm(place(world.root, source.url));
    await makeQcow2(place(world.root, archive));
    await expect(fetchBase({ ...source, archives: [archive] }, 'amd64', world.context)).rejects.toMatchObject({
      code: 'KIB_DIGEST_MISMATCH',
    });
  });

  it('an unsigned SHA512SUMS is used with a warning', async () => {
    const folder = `${world.server.url}/images/cloud/trixie/latest`;
    const source: CloudImage = {
      kind: 'cloud-image',
      url: `${folder}/debian-13-genericcloud-amd64.qcow2`,
      format: 'qcow2',
      checksum: { kind: 'file', url: `${folder}/SHA512SUMS`, algorithm: 'sha512' },
    };
    await publish(source, world.root, world.signer);
    const base = await fetchBase(source, 'amd64', world.context);
    expect(base.facts['trust']).toBe('unsigned checksum file');
    expect(world.context.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_SIGNATURE' }));
  });

  it('a respin is taken up, the image before it stays in the cache', async () => {
    const source = await local('rocky10');
    const first = await fetchBase(source, 'amd64', world.context);
    await makeQcow2(place(world.root, source.url));
    await sign(source, world.root, world.signer);
    const second = await fetchBase(source, 'amd64', world.context);
    expect(second.sha256).not.toBe(first.sha256);
    expect((await stored()).filter((name) => !name.endsWith('.json'))).toHaveLength(2);
  });
});

describe('without the network', () => {
  const image = { code: 'KIB_HTTP', message: expect.stringContaining('.qcow2') as string };
  const list = { code: 'KIB_HTTP', message: expect.stringContaining('/CHECKSUM') as string };
  const warnings = () => world.context.events.filter((event) => event.type === 'warning');
  const kept = async () => {
    const folder = join(world.context.dirs.cache, 'checksums');
    const [name = ''] = await readdir(folder);
    return join(folder, name);
  };

  it('a signed image that is in the cache is used, with a warning that says how old its list is', async () => {
    const source = await local('rocky10');
    const first = await fetchBase(source, 'amd64', world.context);
    await world.server[Symbol.asyncDispose]();
    expect(await fetchBase(source, 'amd64', world.context)).toEqual(first);
    expect(warnings()).toMatchObject([
      { code: 'KIB_HTTP', message: expect.stringMatching(/CHECKSUM failed: .*; its copy from less than an hour ago is used/) },
    ]);
  });

  it('also while the server is out of order, but not when the list was withdrawn', async () => {
    const source = await local('rocky10');
    const first = await fetchBase(source, 'amd64', world.context);
    world.isDown = true;
    expect(await fetchBase(source, 'amd64', world.context)).toEqual(first);
    world.isDown = false;
    world.faults['/pub/rocky/10/images/x86_64/CHECKSUM'] = 'missing';
    await expect(fetchBase(source, 'amd64', world.context)).rejects.toMatchObject(list);
  });

  it('an image that is not in the cache is asked for', async () => {
    const source = await local('rocky10');
    await fetchBase(source, 'amd64', world.context);
    await rm(join(world.context.dirs.cache, 'downloads'), { recursive: true });
    await world.server[Symbol.asyncDispose]();
    await expect(fetchBase(source, 'amd64', world.context)).rejects.toMatchObject(image);
  });

  it.each([
    ['never fetched', () => rm(join(world.context.dirs.cache, 'checksums'), { recursive: true })],
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
    await fetchBase(source, 'amd64', world.context);
    await spoil();
    await world.server[Symbol.asyncDispose]();
    await expect(fetchBase(source, 'amd64', world.context)).rejects.toMatchObject(list);
    expect(warnings()).toEqual([]);
  });
});

describe('a killed download', () => {
  it('is taken over by the next build, which goes on where it stopped', async () => {
    const source = await local('rocky10');
    const image = await imageBytes(source);
    const path = new URL(source.url).pathname;
    world.faults[path] = { stallAfter: 2 * 1024 * 1024 };
    const script = fileURLToPath(new URL('../support/fetch-base.ts', import.meta.url));
    const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    const argv = ['--import', tsx, script, JSON.stringify(source), world.context.dirs.cache];
    const child = spawn(process.execPath, argv, { stdio: 'inherit', env: { ...process.env, TMPDIR: world.root } });
    const ended = new Promise((resolve) => child.once('close', (_code, signal) => resolve(signal)));
    const part = join(world.context.dirs.cache, 'downloads', `sha256-${createHash('sha256').update(image).digest('hex')}.part`);
    await expect.poll(async () => (await stat(part).catch(() => undefined))?.size, { timeout: 30_000 }).toBe(2 * 1024 * 1024);
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    expect((await stored()).some((name) => name.includes('.lock-'))).toBe(true);

    world.faults = {};
    const base = await fetchBase(source, 'amd64', world.context);
    expect(base.bytes).toBe(image.length);
    expect(world.server.requests.filter((seen) => seen.url === path).map((seen) => seen.headers.range)).toEqual([
      undefined,
      `bytes=${2 * 1024 * 1024}-`,
    ]);
    expect((await stored()).filter((name) => name.includes('.lock-') || name.includes('.part'))).toEqual([]);
  });
});
