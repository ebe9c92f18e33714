import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { sh } from '../../src/core/index.ts';
import { makeSigner } from '../support/openpgp.ts';
import { canBeGuest, packageManagerWorld, treeText } from '../support/package-manager-world.ts';

const exec = promisify(execFile);
const canApt = canBeGuest('apt-get', 'apt-ftparchive', 'dpkg-deb', 'gpg', 'openssl');
const DEBS = ['alpha', 'beta', 'gamma'];

describe.skipIf(!canApt)('apt (needs apt-utils, openssl, gpg, openssh-server, and root)', () => {
  const { world, anotherGuest, install, execute } = packageManagerWorld('apt');
  let root: string;

  beforeEach(async () => {
    root = await aptRoot('one');
    await publishDebs();
  });

  const logged = () => world.context.events.flatMap((event) => (event.type === 'log' ? [event.line] : []));
  const notes = () => world.context.events.flatMap((event) => (event.type === 'span.note' ? [event.text] : []));

  /** Options for an apt whose world is a folder. */
  async function aptRoot(name: string): Promise<string> {
    const dir = join(world.context.root, name);
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
    const options = `signed-by=${join(world.context.root, 'key.asc')}`;
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
  const fetch = (dir: string) => install(apt(dir, '--download-only', 'install', ...DEBS));
  const archives = async (dir: string) =>
    (await readdir(join(dir, 'cache/archives'))).filter((name) => name.endsWith('.deb')).sort();

  /** Two suites, alpha and beta in one over http:, gamma in one over https:. */
  async function publishDebs(): Promise<void> {
    await using signer = await makeSigner();
    await writeFile(join(world.context.root, 'key.asc'), signer.key.armored);
    for (const [scheme, names] of [
      ['http', ['alpha', 'beta']],
      ['https', ['gamma']],
    ] as const) {
      const dir = join(world.context.root, `repo-${scheme}`);
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
      const put = (path: string, bytes: Buffer) =>
        world.servers.files.set(`${scheme}://repo.example.org/${scheme}/${path}`, bytes);
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
    const dir = join(world.context.root, 'deb', name);
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
    const cold = [...world.servers.log];
    expect(cold.filter((line) => line.endsWith('.deb')).sort()).toEqual([
      'GET http://repo.example.org/http/pool/alpha_1_amd64.deb',
      'GET http://repo.example.org/http/pool/beta_1_amd64.deb',
      'GET https://repo.example.org/https/pool/gamma_1_amd64.deb',
    ]);
    await anotherGuest();
    const second = await aptRoot('two');
    await execute(update(second), fetch(second));
    expect(await archives(second)).toEqual(DEBS.map((name) => `${name}_1_amd64.deb`));
    expect(world.servers.log).toEqual([
      expect.stringMatching(/^GET https?:.*InRelease$/),
      expect.stringMatching(/^GET https?:.*InRelease$/),
    ]);
    expect(world.cache.stats()).toMatchObject({ misses: 0, hits: 7, bytesFetched: 0 });
    expect(notes().at(-1)).toMatch(/^3 of 3 files from the package cache, /);
    const text = await treeText(second);
    expect(text).toContain('repo.example.org_http_dists_stable_InRelease');
    expect(text).not.toContain('127.0.0.1');
    expect(logged().join('\n')).not.toContain('127.0.0.1');
  });
});
