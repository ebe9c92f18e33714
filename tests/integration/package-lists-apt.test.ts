import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PlannedAction, raw, type Sh } from '../../src/core/index.ts';
import { apt } from '../../src/plan/apt.ts';
import { makeSigner } from '../support/openpgp.ts';
import { canBeGuest, packageManagerWorld } from '../support/package-manager-world.ts';

const exec = promisify(execFile);
const canApt = canBeGuest('apt-get', 'bzip2', 'xz', 'gpg', 'openssl');
const HTTP = 'http://repo.example.org/one';
const HTTPS = 'https://repo.example.org/two';

const stanza = (name: string, fields: Record<string, string> = {}) => {
  const all = { Package: name, Version: '1', Architecture: 'amd64', Maintainer: 'T <t@example.org>', ...fields };
  const more = { Filename: `pool/${name}.deb`, Size: '1', SHA256: '0'.repeat(64), Description: 'test' };
  return Object.entries({ ...all, ...more })
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
};

const compressedBy = (program: string, list: string) => execFileSync(program, ['-c'], { input: list });

/** Lists of two archives; of `tool` in the second there is a newer one. */
const ONE = [
  stanza('tool', { Depends: 'lib (>= 1) | other-lib, interpreter:any' }),
  stanza('lib'),
  stanza('other-lib', { Provides: 'nothing-wanted' }),
  stanza('unrelated', { Depends: 'unrelated-lib' }),
  stanza('unrelated-lib'),
  stanza('base', { Version: '2' }),
  stanza('vital', { Essential: 'yes' }),
].join('\n');
const TWO = [
  stanza('tool', { Version: '2', 'Pre-Depends': 'lib' }),
  stanza('real-interpreter', { Provides: 'unheard-of, interpreter (= 3)' }),
  stanza('unrelated', { Version: '7' }),
].join('\n');

describe.skipIf(!canApt)('package lists for apt (needs bzip2, xz-utils, openssl, gpg, openssh-server, and root)', () => {
  const { world, anotherGuest, execute } = packageManagerWorld('apt');
  let root: string;
  let lists: string;

  beforeEach(async () => {
    root = join(world.context.root, 'guest');
    lists = join(root, 'state/lists');
    for (const folder of ['etc/apt.conf.d', 'etc/preferences.d', 'state/lists/partial', 'cache/archives/partial', 'log'])
      await mkdir(join(root, folder), { recursive: true });
    await writeFile(join(root, 'status'), `${stanza('base', { Status: 'install ok installed' })}\n`);
    await writeFile(join(root, 'mirrors'), `${HTTPS}\tpriority:1\n`);
    const options = `signed-by=${join(world.context.root, 'key.asc')}`;
    const uris = [HTTP, `mirror+file:${join(root, 'mirrors')}`];
    await writeFile(join(root, 'etc/sources.list'), uris.map((uri) => `deb [${options}] ${uri} stable main\n`).join(''));
    const settings = [
      ['Dir::Etc', join(root, 'etc')],
      ['Dir::State', join(root, 'state')],
      ['Dir::State::Status', join(root, 'status')],
      ['Dir::Cache', join(root, 'cache')],
      ['Dir::Log', join(root, 'log')],
      ['Acquire::http::Proxy', 'DIRECT'],
      ['APT::Sandbox::User', 'root'],
      ['APT::Architecture', 'amd64'],
      ['APT::Get::Simulate', 'true'],
    ];
    await writeFile(join(root, 'apt.conf'), settings.map(([name, value]) => `${name} "${value}";\n`).join(''));
    await publish();
  });
  // A transaction that failed leaves them for its next attempt.
  afterEach(() => rm('/dev/shm/kib-helpers', { recursive: true, force: true }));

  async function publish(compress: (list: string) => readonly (readonly [string, Buffer])[] = bothWays): Promise<void> {
    await using signer = await makeSigner();
    await writeFile(join(world.context.root, 'key.asc'), signer.key.armored);
    for (const [uri, list] of [
      [HTTP, ONE],
      [HTTPS, TWO],
    ] as const) {
      const files = compress(list).map(([name, bytes]) => [`main/binary-amd64/${name}`, bytes] as const);
      const digests = files.map(
        ([path, bytes]) => ` ${createHash('sha256').update(bytes).digest('hex')} ${bytes.length} ${path}\n`,
      );
      const fields = ['Suite: stable', 'Codename: stable', 'Architectures: amd64', 'Components: main', 'Acquire-By-Hash: yes'];
      const release = `${fields.join('\n')}\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n${digests.join('')}`;
      world.servers.files.set(`${uri}/dists/stable/InRelease`, await signer.clearsign(release));
      for (const [path, bytes] of files) {
        const digest = createHash('sha256').update(bytes).digest('hex');
        world.servers.files.set(`${uri}/dists/stable/${path}`, bytes);
        world.servers.files.set(`${uri}/dists/stable/main/binary-amd64/by-hash/SHA256/${digest}`, bytes);
      }
    }
  }

  const bothWays = (list: string) => [['Packages', Buffer.from(list)] as const, ['Packages.gz', gzipSync(list)] as const];

  /** The planner's own action, of an apt whose world is a folder. */
  function update(names: readonly string[]): PlannedAction {
    const [action] = apt.sources({
      repositories: [],
      packages: names.map((name) => ({ name })),
      settledLater: [],
      upgrade: false,
    });
    if (action?.kind !== 'exec') throw new Error('no action');
    // A second attempt does without the host, which is how these archives are reached.
    return {
      ...action,
      script: below(action.script),
      attempts: 1,
      id: 'packages/1',
      recipe: 'packages',
      environment: { APT_CONFIG: join(root, 'apt.conf') },
    };
  }
  /** The same for the transaction, which apt only simulates. */
  function install(name: string): PlannedAction {
    const wanted = { repositories: [], packages: [{ name }], settledLater: [], upgrade: false };
    const [action] = apt.transaction(wanted);
    if (action?.kind !== 'exec') throw new Error('no action');
    const environment = { APT_CONFIG: join(root, 'apt.conf') };
    return { ...action, script: below(action.script), attempts: 1, id: 'packages/2', recipe: 'packages', environment };
  }
  const below = (script: Sh): Sh => raw(script.text.replaceAll('/var/lib/apt/lists', lists));
  const simulate = async (...names: string[]) => {
    const env = { ...process.env, APT_CONFIG: join(root, 'apt.conf') };
    return (await exec('apt-get', ['-s', '--no-install-recommends', 'install', ...names], { env })).stdout;
  };
  const packagesIn = async (uri: string) => {
    const names = (await readdir(lists)).filter((name) => name.endsWith('_Packages') && name.includes(uri)).sort();
    const texts = await Promise.all(names.map((name) => readFile(join(lists, name), 'utf8')));
    return texts.flatMap((text) => [...text.matchAll(/^Package: (.*)$/gm)].map((match) => match[1]));
  };
  const logged = () => world.context.events.flatMap((event) => (event.type === 'log' ? [event.line] : []));
  const fetched = () => world.servers.log.filter((line) => !line.endsWith('/InRelease'));

  it('are what a package can need, from http, https and a list of mirrors, and apt takes them for its own', async () => {
    await execute(update(['tool']));
    expect(await packagesIn('_one_')).toEqual(['tool', 'lib', 'other-lib', 'base', 'vital']);
    expect(await packagesIn('mirrors')).toEqual(['tool', 'real-interpreter']);
    expect(fetched().every((line) => line.includes('/by-hash/'))).toBe(true);
    expect(fetched()).toHaveLength(2);
    const plan = await simulate('tool');
    expect([...plan.matchAll(/^Inst (\S+ \(\S+)/gm)].map((match) => match[1])).toEqual(['lib (1', 'tool (2']);
    expect(logged().join('\n')).not.toContain('127.0.0.1');

    await anotherGuest();
    await execute(update(['unrelated']));
    expect(await packagesIn('_one_')).toEqual(['unrelated', 'unrelated-lib', 'base', 'vital']);
    expect(fetched()).toEqual([]);
  });

  it('are read whole when apt fails with the part, and are gone after the transaction', async () => {
    await execute(update(['tool']));
    const [name = ''] = (await readdir(lists)).filter((entry) => entry.includes('_one_') && entry.endsWith('_Packages'));
    const path = join(lists, name);
    const part = await readFile(path, 'utf8');
    await writeFile(path, part.replaceAll(/^Package: (other-)?lib$/gm, 'Package: $1no-lib'));
    await execute(install('tool'));
    expect(logged().filter((line) => line.startsWith('Inst '))).toEqual([
      expect.stringMatching(/^Inst lib /),
      expect.stringMatching(/^Inst tool \(2/),
    ]);
    expect(logged().join('\n')).toContain('Depends: lib');
    expect((await readdir(lists)).filter((entry) => entry.includes('Packages'))).toEqual([]);
  });

  it('are read whole before it is said that nothing helps', async () => {
    await execute(update(['unrelated']));
    await expect(execute(install('nobody-has-it'))).rejects.toMatchObject({ code: 'KIB_PACKAGE_VERSION' });
    expect(await packagesIn('_one_')).toHaveLength(7);
  });

  it('are read whole when no list has the package, so that apt itself says so', async () => {
    await execute(update(['no-such-tool']));
    expect(logged()).toContain('whole package lists are read: no list has no-such-tool');
    expect(await packagesIn('_one_')).toHaveLength(7);
    expect(await packagesIn('mirrors')).toHaveLength(3);
  });

  it('are read whole for what is no name', async () => {
    await execute(update(['^un.*ed$']));
    expect(logged()).toContain('whole package lists are read: ^un.*ed$ is not the name of a package');
    expect(await packagesIn('_one_')).toHaveLength(7);
  });

  it('come from xz where there is no gzip, as in Debian’s suites of updates', async () => {
    await publish((list) => [
      ['Packages', Buffer.from(list)],
      ['Packages.xz', compressedBy('xz', list)],
    ]);
    await execute(update(['tool']));
    expect(await packagesIn('_one_')).toEqual(['tool', 'lib', 'other-lib', 'base', 'vital']);
    expect(await packagesIn('mirrors')).toEqual(['tool', 'real-interpreter']);
  });

  it('are read whole where the archive has neither gzip nor xz', async () => {
    await publish((list) => [
      ['Packages', Buffer.from(list)],
      ['Packages.bz2', compressedBy('bzip2', list)],
    ]);
    await execute(update(['tool']));
    expect(logged().join('\n')).toMatch(
      /whole package lists are read: .*main\/binary-amd64\/Packages is there neither as gzip nor as xz/,
    );
    expect(await packagesIn('_one_')).toHaveLength(7);
  });

  it('are not taken when they are other bytes than the signed Release file says', async () => {
    for (const url of [...world.servers.files.keys()].filter((name) => name.startsWith(HTTP) && !name.endsWith('InRelease')))
      world.servers.files.set(url, gzipSync(`${ONE}\n${stanza('evil', { Provides: 'tool' })}`));
    await expect(execute(update(['tool']))).rejects.toMatchObject({ code: expect.stringMatching(/^KIB_/) });
    expect(logged().join('\n')).toContain('whole package lists are read: ');
    expect(await packagesIn('_one_')).toEqual([]);
  });

  it('are not asked for when the Release file is signed by nobody known', async () => {
    await using stranger = await makeSigner();
    await writeFile(join(world.context.root, 'key.asc'), stranger.key.armored);
    await expect(execute(update(['tool']))).rejects.toMatchObject({ code: 'KIB_PACKAGE_KEY' });
    expect(fetched()).toEqual([]);
  });
});
