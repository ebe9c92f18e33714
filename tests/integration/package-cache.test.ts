import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PlannedAction, type Sh, sh, systemClock } from '../../src/core/index.ts';
import { executeActions } from '../../src/engine/execute.ts';
import { Guest } from '../../src/engine/guest.ts';
import { openPackageCache, type PackageCache } from '../../src/engine/package-cache/index.ts';
import { connectSsh } from '../../src/transport/ssh.ts';
import { makeSigner } from '../support/openpgp.ts';
import { type PackageServers, startPackageServers } from '../support/package-servers.ts';
import { canRunSshd, type Sshd, startSshd } from '../support/sshd.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const exec = promisify(execFile);
const hasProgram = (name: string) => ['/usr/bin', '/usr/sbin'].some((dir) => existsSync(join(dir, name)));
const canApt = canRunSshd && ['apt-get', 'apt-ftparchive', 'dpkg-deb', 'gpg', 'openssl'].every(hasProgram);
const canDnf = canRunSshd && ['dnf', 'createrepo_c', 'rpmbuild', 'openssl'].every(hasProgram);
const HOSTS = ['repo.example.org', 'mirror-a.example.org', 'mirror-b.example.org'];
const DEBS = ['alpha', 'beta', 'gamma'];

let context: TestContext;
let sshd: Sshd;
let servers: PackageServers;
let guest: Guest;
let cache: PackageCache;

async function start(sshdLines: readonly string[] = []): Promise<void> {
  context = await testContext();
  sshd = await startSshd(context.root, sshdLines);
  servers = await startPackageServers(context.root, HOSTS);
  await connect();
}

/** A guest that has nothing yet, and a cache that has what it had. */
async function connect(): Promise<void> {
  const login = (signal: AbortSignal) =>
    connectSsh(sshd.endpoint, sshd.credentials, { signal, clock: systemClock, readyTimeoutMs: 10_000 });
  guest = await Guest.connect({ connect: login, clock: systemClock, slowness: 1 }, context.signal);
}

async function openCache(packageManager: 'apt' | 'dnf'): Promise<void> {
  cache = await openPackageCache(guest, { os: { packageManager }, network: servers.network }, context);
}

afterEach(async () => {
  await cache[Symbol.asyncDispose]();
  await guest[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await servers[Symbol.asyncDispose]();
  expect(context.journal.held).toEqual([]);
  expect(readdirSync('/dev/shm').filter((name) => name.startsWith('kib.'))).toEqual([]);
  await context[Symbol.asyncDispose]();
});

const install = (script: Sh, attempts = 1): PlannedAction => ({
  kind: 'exec',
  id: 'packages/1',
  recipe: 'packages',
  title: 'install',
  script,
  timeoutMs: 120_000,
  attempts,
  packages: true,
});
const execute = (...actions: PlannedAction[]) =>
  executeActions(guest, actions, { files: new Map(), context, packageCache: cache });
const logged = () => context.events.flatMap((event) => (event.type === 'log' ? [event.line] : []));
const notes = () => context.events.flatMap((event) => (event.type === 'span.note' ? [event.text] : []));

/** Every file below a folder: name and text. */
async function tree(dir: string): Promise<string> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const texts = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return `${relative(dir, path)}\n${entry.isFile() ? await readFile(path, 'latin1') : ''}`;
  });
  return (await Promise.all(texts)).join('\n');
}

describe.skipIf(!canApt)('apt (needs apt-utils, openssl, gpg, openssh-server, and root)', () => {
  let root: string;

  beforeEach(async () => {
    await start();
    await openCache('apt');
    root = await aptRoot('one');
    await publishDebs();
  });

  /** Options for an apt whose world is a folder. */
  async function aptRoot(name: string): Promise<string> {
    const dir = join(context.root, name);
    for (const folder of [
      'etc/apt/apt.conf.d',
      'etc/apt/preferences.d',
      'state/lists/partial',
      'cache/archives/partial',
      'log',
    ]) {
      await mkdir(join(dir, folder), { recursive: true });
    }
    await writeFile(join(dir, 'status'), '');
    const options = `signed-by=${join(context.root, 'key.asc')}`;
    // As the cloud images of Debian have it.
    await writeFile(join(dir, 'mirrors'), 'https://repo.example.org/https/\n');
    const uris = ['http://repo.example.org/http/', `mirror+file:${join(dir, 'mirrors')}`];
    const sources = uris.map((uri) => `deb [${options}] ${uri} stable main`);
    await writeFile(join(dir, 'etc/apt/sources.list'), `${sources.join('\n')}\n`);
    return dir;
  }

  const apt = (dir: string, ...args: string[]) => sh`
    apt-get --quiet --yes -o Dir::Etc=${`${dir}/etc/apt`} -o Dir::State=${`${dir}/state`} -o Dir::State::Status=${`${dir}/status`} \
      -o Dir::Cache=${`${dir}/cache`} -o Dir::Log=${`${dir}/log`} -o Acquire::Languages=none -o Acquire::Retries=0 \
      -o APT::Update::Error-Mode=any -o Acquire::http::Proxy=DIRECT -o Acquire::http::Timeout=5 -o APT::Sandbox::User=root ${args}
  `;
  const update = (dir: string) => install(apt(dir, 'update'));
  const fetch = (dir: string, attempts = 1) => install(apt(dir, '--download-only', 'install', ...DEBS), attempts);
  const archives = async (dir: string) =>
    (await readdir(join(dir, 'cache/archives'))).filter((name) => name.endsWith('.deb')).sort();

  /** Two suites, alpha and beta in one over http:, gamma in one over https:. */
  async function publishDebs(): Promise<void> {
    await using signer = await makeSigner();
    await writeFile(join(context.root, 'key.asc'), signer.key.armored);
    for (const [scheme, names] of [
      ['http', ['alpha', 'beta']],
      ['https', ['gamma']],
    ] as const) {
      const dir = join(context.root, `repo-${scheme}`);
      const index = 'dists/stable/main/binary-amd64';
      await mkdir(join(dir, index), { recursive: true });
      await mkdir(join(dir, 'pool'), { recursive: true });
      for (const name of names) await makeDeb(join(dir, 'pool'), name);
      const packages = (await exec('apt-ftparchive', ['packages', 'pool'], { cwd: dir })).stdout;
      await writeFile(join(dir, index, 'Packages'), packages);
      const release = [
        'Suite=stable',
        'Codename=stable',
        'Components=main',
        'Architectures=amd64',
        'Acquire-By-Hash=yes',
      ].flatMap((option) => ['-o', `APT::FTPArchive::Release::${option}`]);
      const text = (await exec('apt-ftparchive', [...release, 'release', 'dists/stable'], { cwd: dir })).stdout;
      const put = (path: string, bytes: Buffer) => servers.files.set(`${scheme}://repo.example.org/${scheme}/${path}`, bytes);
      put('dists/stable/InRelease', await signer.clearsign(`${text.trimEnd()}\nAcquire-By-Hash: yes\n`));
      for (const algorithm of ['sha256', 'sha512', 'md5']) {
        const hex = createHash(algorithm).update(packages).digest('hex');
        put(`${index}/by-hash/${algorithm === 'md5' ? 'MD5Sum' : algorithm.toUpperCase()}/${hex}`, Buffer.from(packages));
      }
      put(`${index}/Packages`, Buffer.from(packages));
      for (const name of await readdir(join(dir, 'pool'))) put(`pool/${name}`, await readFile(join(dir, 'pool', name)));
    }
  }

  async function makeDeb(pool: string, name: string): Promise<void> {
    const dir = join(context.root, 'deb', name);
    await mkdir(join(dir, 'DEBIAN'), { recursive: true });
    await writeFile(join(dir, 'payload'), createHash('sha512').update(name).digest('hex').repeat(2000));
    const control = [
      `Package: ${name}`,
      'Version: 1',
      'Architecture: amd64',
      'Maintainer: T <t@example.org>',
      'Description: test',
    ];
    await writeFile(join(dir, 'DEBIAN/control'), `${control.join('\n')}\n`);
    await exec('dpkg-deb', ['--build', '--root-owner-group', '-Znone', dir, join(pool, `${name}_1_amd64.deb`)]);
  }

  it('downloads a package once for two guests, over http and https, and leaves no trace', async () => {
    await execute(update(root), fetch(root));
    expect(await archives(root)).toEqual(DEBS.map((name) => `${name}_1_amd64.deb`));
    const cold = [...servers.log];
    expect(cold.filter((line) => line.endsWith('.deb')).sort()).toEqual([
      'GET http://repo.example.org/http/pool/alpha_1_amd64.deb',
      'GET http://repo.example.org/http/pool/beta_1_amd64.deb',
      'GET https://repo.example.org/https/pool/gamma_1_amd64.deb',
    ]);
    await cache[Symbol.asyncDispose]();
    await connect();
    await openCache('apt');
    servers.log.length = 0;
    const second = await aptRoot('two');
    await execute(update(second), fetch(second));
    expect(await archives(second)).toEqual(DEBS.map((name) => `${name}_1_amd64.deb`));
    expect(servers.log).toEqual([
      expect.stringMatching(/^GET https?:.*InRelease$/),
      expect.stringMatching(/^GET https?:.*InRelease$/),
    ]);
    expect(cache.stats()).toMatchObject({ misses: 0, hits: 7, bytesFetched: 0 });
    expect(notes().at(-1)).toMatch(/^3 of 3 files from the package cache, /);
    const text = await tree(second);
    expect(text).toContain('repo.example.org_http_dists_stable_InRelease');
    expect(text).not.toContain('127.0.0.1');
    expect(logged().join('\n')).not.toContain('127.0.0.1');
  });
});

describe.skipIf(!canDnf)('dnf (needs dnf, createrepo-c, rpm, openssl, openssh-server, and root)', () => {
  beforeEach(async () => {
    await start();
    await openCache('dnf');
    await publishRpms();
  });

  async function dnfRoot(name: string): Promise<string> {
    const dir = join(context.root, name);
    await mkdir(join(dir, 'repos'), { recursive: true });
    const repositories = [
      '[plain]\nname=plain\nbaseurl=https://repo.example.org/rpm/$releasever/',
      '[mirrored]\nname=mirrored\nmirrorlist=https://repo.example.org/mirrorlist?release=$releasever\ncountme=1',
    ];
    await writeFile(join(dir, 'repos', 'test.repo'), repositories.map((text) => `${text}\nenabled=1\ngpgcheck=0\n`).join('\n'));
    return dir;
  }

  const dnf = (dir: string) =>
    install(sh`
      dnf --assumeyes --installroot=${join(dir, 'root')} --releasever=1 --setopt=reposdir=${join(dir, 'repos')} --setopt=pluginpath=/nowhere \
        --setopt=install_weak_deps=False --setopt=keepcache=True install alpha gamma
    `);

  async function publishRpms(): Promise<void> {
    for (const [name, url] of [
      ['alpha', 'https://repo.example.org/rpm/1/'],
      ['gamma', 'http://mirror-b.example.org/rpm/1/'],
    ] as const) {
      const dir = join(context.root, `rpm-${name}`);
      await mkdir(dir);
      await makeRpm(dir, name);
      await exec('createrepo_c', ['--quiet', dir]);
      for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (entry.isFile()) servers.files.set(`${url}${relative(dir, path)}`, await readFile(path));
      }
    }
    for (const [url, bytes] of Array.from(servers.files)) {
      servers.files.set(url.replace('http://mirror-b', 'https://mirror-a'), bytes);
    }
    offerMirrors('https://mirror-a.example.org/rpm/1/', 'http://mirror-b.example.org/rpm/1/');
  }

  function offerMirrors(...urls: string[]): void {
    servers.files.set('https://repo.example.org/mirrorlist?release=1', Buffer.from(`# mirrors\n${urls.join('\n')}\n`));
  }

  async function makeRpm(dir: string, name: string): Promise<void> {
    const lines = [
      `Name: ${name}`,
      'Version: 1',
      'Release: 1',
      'Summary: test',
      'License: none',
      'BuildArch: noarch',
      'AutoReqProv: no',
    ];
    const spec = join(context.root, `${name}.spec`);
    const payload = createHash('sha512').update(name).digest('hex').repeat(2000);
    await writeFile(
      spec,
      `${lines.join('\n')}\n%description\ntest\n%install\nmkdir -p %{buildroot}/opt\necho ${payload} >%{buildroot}/opt/${name}\n%files\n/opt/${name}\n`,
    );
    const defines = { _rpmdir: dir, _topdir: join(context.root, 'rpmbuild'), _build_name_fmt: '%%{NAME}-%%{VERSION}.rpm' };
    await exec('rpmbuild', [
      '-bb',
      '--quiet',
      ...Object.entries(defines).flatMap(([key, value]) => ['--define', `${key} ${value}`]),
      spec,
    ]);
  }

  const packages = () => servers.log.filter((line) => line.endsWith('.rpm')).sort();

  it('downloads a package once for two guests, from whichever mirror, and leaves no trace', async () => {
    await execute(dnf(await dnfRoot('one')));
    expect(packages()).toEqual([
      'GET https://mirror-a.example.org/rpm/1/gamma-1.rpm',
      'GET https://repo.example.org/rpm/1/alpha-1.rpm',
    ]);
    await cache[Symbol.asyncDispose]();
    await connect();
    await openCache('dnf');
    servers.log.length = 0;
    offerMirrors('http://mirror-b.example.org/rpm/1/', 'https://mirror-a.example.org/rpm/1/');
    const second = await dnfRoot('two');
    await execute(dnf(second));
    expect(existsSync(join(second, 'root/opt/alpha')) && existsSync(join(second, 'root/opt/gamma'))).toBe(true);
    expect(packages()).toEqual([]);
    expect(servers.log.filter((line) => !/repomd\.xml$|mirrorlist/.test(line))).toEqual([]);
    for (const folder of ['root/var/lib', 'root/etc', 'root/opt']) {
      const text = existsSync(join(second, folder)) ? await tree(join(second, folder)) : '';
      expect(text).not.toMatch(/127\.0\.0\.1|https\.invalid|mirrors\.invalid|countme|sitecustomize/);
    }
    expect(await tree(join(second, 'root/var/lib'))).toContain('alpha');
  });
});
