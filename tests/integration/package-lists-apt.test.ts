import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PlannedAction, type PrimitiveAction, raw, type Sh, sh } from '../../src/core/index.ts';
import { apt } from '../../src/plan/apt.ts';
import { makeSigner } from '../support/openpgp.ts';
import { canBeGuest, packageManagerWorld } from '../support/package-manager-world.ts';

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

  /** The planner's own actions, of an apt whose world is a folder, and whose transactions are simulated. */
  const install = (...names: string[]): readonly PlannedAction[] => {
    const packages = names.map((name) => ({ name }));
    const wanted = { repositories: [], packages, settledLater: [], upgrade: false };
    return [...apt.sources(wanted), ...apt.transaction(wanted)].map(here);
  };
  const here = (action: PrimitiveAction, index: number): PlannedAction => {
    if (action.kind !== 'exec') throw new Error('no action');
    const environment = { APT_CONFIG: join(root, 'apt.conf') };
    // A second attempt does without the host, which is how these archives are reached.
    return { ...action, script: below(action.script), attempts: 1, id: `packages/${index}`, recipe: 'packages', environment };
  };
  const below = (script: Sh): Sh => raw(script.text.replaceAll('/var/lib/apt/lists', lists));
  const packagesIn = async (uri: string) => {
    const names = (await readdir(lists)).filter((name) => name.endsWith('_Packages') && name.includes(uri)).sort();
    const texts = await Promise.all(names.map((name) => readFile(join(lists, name), 'utf8')));
    return texts.flatMap((text) => [...text.matchAll(/^Package: (.*)$/gm)].map((match) => match[1]));
  };
  const logged = () => world.context.events.flatMap((event) => (event.type === 'log' ? [event.line] : []));
  const simulated = () => logged().flatMap((line) => /^Inst (\S+ \(\S+)/.exec(line)?.[1] ?? []);
  const fetched = () => world.servers.log.filter((line) => !line.endsWith('/InRelease'));

  it('are what a package can need, from http, https and a list of mirrors, and apt takes them for its own', async () => {
    await execute(...install('tool'));
    expect(await packagesIn('_one_')).toEqual(['tool', 'lib', 'other-lib', 'base', 'vital']);
    expect(await packagesIn('mirrors')).toEqual(['tool', 'real-interpreter']);
    expect(fetched().every((line) => line.includes('/by-hash/'))).toBe(true);
    expect(fetched()).toHaveLength(2);
    expect(simulated()).toEqual(['lib (1', 'tool (2']);
    expect(logged().join('\n')).not.toContain('127.0.0.1');

    await anotherGuest();
    await execute(...install('unrelated'));
    expect(await packagesIn('_one_')).toEqual(['unrelated', 'unrelated-lib', 'base', 'vital']);
    expect(fetched()).toEqual([]);
  });

  it('are read whole when apt fails with the part', async () => {
    const [verify, transaction] = install('tool');
    if (verify === undefined || transaction?.kind !== 'exec') throw new Error('no actions');
    // As if the host had missed something that matters to the solver.
    const spoilt = transaction.script.text.replace(
      /^(\s*): >(\S+kib-excerpt)$/m,
      `$1: >$2; sed -i 's/^Package: \\(other-\\)*lib$/Package: no-lib/' ${lists}/*_Packages`,
    );
    expect(spoilt).not.toBe(transaction.script.text);
    await execute(verify, { ...transaction, script: raw(spoilt) });
    expect(logged().join('\n')).toContain('Depends: lib');
    expect(simulated()).toEqual(['lib (1', 'tool (2']);
    expect(await packagesIn('_one_')).toHaveLength(7);
    expect(await readdir(lists)).not.toContain('kib-excerpt');
  });

  it('stay as a part, for holds and the like, and are whole again after the next update', async () => {
    await execute(...install('tool'));
    expect(await packagesIn('_one_')).toHaveLength(5);
    await execute(...[{ ...apt.install([])[0], script: sh`apt-get update` } as PrimitiveAction].map(here));
    expect(await packagesIn('_one_')).toHaveLength(7);
    await execute(...install('tool'));
    expect(await packagesIn('_one_')).toHaveLength(5);
    await execute(...apt.install(['unrelated']).map(here));
    expect(simulated().at(-1)).toBe('unrelated (7');
    expect(await packagesIn('_one_')).toHaveLength(7);
  });

  it.each([
    ['when no list has the package, so that apt itself says so', 'no-such-tool', 'no list has no-such-tool'],
    ['for what is no name', '^no-such.*tool$', '^no-such.*tool$ is not the name of a package'],
  ])('are read whole %s', async (_when, name, why) => {
    await expect(execute(...install(name))).rejects.toMatchObject({ code: 'KIB_PACKAGE_VERSION' });
    expect(logged()).toContain(`whole package lists are read: ${why}`);
    expect(await packagesIn('_one_')).toHaveLength(7);
    expect(await packagesIn('mirrors')).toHaveLength(3);
  });

  it('come from xz where there is no gzip, as in Debian’s suites of updates', async () => {
    await publish((list) => [
      ['Packages', Buffer.from(list)],
      ['Packages.xz', compressedBy('xz', list)],
    ]);
    await execute(...install('tool'));
    expect(await packagesIn('_one_')).toEqual(['tool', 'lib', 'other-lib', 'base', 'vital']);
    expect(await packagesIn('mirrors')).toEqual(['tool', 'real-interpreter']);
  });

  it('are read whole where the archive has neither gzip nor xz', async () => {
    await publish((list) => [
      ['Packages', Buffer.from(list)],
      ['Packages.bz2', compressedBy('bzip2', list)],
    ]);
    await execute(...install('tool'));
    expect(logged().join('\n')).toMatch(
      /whole package lists are read: .*main\/binary-amd64\/Packages is there neither as gzip nor as xz/,
    );
    expect(await packagesIn('_one_')).toHaveLength(7);
  });

  it('are not taken when they are other bytes than the signed Release file says', async () => {
    for (const url of [...world.servers.files.keys()].filter((name) => name.startsWith(HTTP) && !name.endsWith('InRelease')))
      world.servers.files.set(url, gzipSync(`${ONE}\n${stanza('evil', { Provides: 'tool' })}`));
    await expect(execute(...install('tool'))).rejects.toMatchObject({ code: expect.stringMatching(/^KIB_/) });
    expect(logged().join('\n')).toContain('whole package lists are read: ');
    expect(await packagesIn('_one_')).toEqual([]);
  });

  it('are not asked for when the Release file is signed by nobody known', async () => {
    await using stranger = await makeSigner();
    await writeFile(join(world.context.root, 'key.asc'), stranger.key.armored);
    await expect(execute(...install('tool'))).rejects.toMatchObject({
      code: 'KIB_PACKAGE_KEY',
      details: { action: 'packages/0' },
    });
    expect(fetched()).toEqual([]);
  });
});
