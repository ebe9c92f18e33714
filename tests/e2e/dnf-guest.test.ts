import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recipes } from '../../recipes/index.ts';
import { isKibError, type PlannedAction, raw, sh } from '../../src/core/index.ts';
import { waitForGuest } from '../../src/engine/boot-wait.ts';
import { executeActions } from '../../src/engine/execute.ts';
import type { Guest } from '../../src/engine/guest.ts';
import { dnf } from '../../src/plan/dnf.ts';
import { launch, SHARED_CACHE } from '../support/boot-base.ts';
import { type BuildRun, layersOf, linesOf, runBuild, told } from '../support/build-run.ts';
import { type FolderServer, serveFolder } from '../support/folder-server.ts';
import { isLeftOut } from '../support/long.ts';
import { kib } from '../support/program.ts';
import { rpmShapedBase } from '../support/rpm/base.ts';
import { makeRpmSigner, RPM_TOOLS, type RpmSigner } from '../support/rpm/repository.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const missing = RPM_TOOLS.filter((name) => !existsSync(join('/usr/bin', name)));
if (missing.length > 0) console.warn(`SKIPPED: the test of dnf in a guest needs ${missing.join(', ')}`);

/** Everything else that is part of an image by itself: this is about packages. */
const WITHOUT = recipes
  .filter(({ name, optional }) => optional !== true && name !== 'setup' && name !== 'seal')
  .map(({ name }) => name);

/** grubby(8) as far as it says what boots next: what a kernel package wrote, as those of Enterprise Linux do by their scripts. */
const GRUBBY = '#!/bin/sh\ncat /boot/default-kernel 2>/dev/null || echo "/boot/vmlinuz-$(uname -r)"';

/** Debian with dnf and packages of our own: what is tested is the path through dnf, not Enterprise Linux. */
describe.skipIf(missing.length > 0 || isLeftOut('the dnf path in a guest'))('the dnf path in a guest', () => {
  let scratch: string;
  let base: string;
  let signer: RpmSigner;
  let stranger: RpmSigner;
  let server: FolderServer;

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'kib-dnf-'));
    await mkdir(join(scratch, 'base'));
    signer = await makeRpmSigner();
    stranger = await makeRpmSigner();
    await signer.build(join(scratch, 'rpms', 'os'), [
      { name: 'jq', version: '1.7.1', files: { '/usr/bin/jq-version': '#!/bin/sh\necho 1.7.1' } },
      { name: 'jq', version: '1.8.1', files: { '/usr/bin/jq-version': '#!/bin/sh\necho 1.8.1' } },
      { name: 'conntrack-tools', version: '1.4.7' },
      { name: 'python3-dnf-plugin-versionlock', version: '4.3.0' },
      { name: 'grubby', version: '8.40', files: { '/usr/sbin/grubby': GRUBBY } },
      { name: 'kernel-core', version: '1' },
      { name: 'needy', version: '1', requires: ['nobody-has-this'] },
      { name: 'huge', version: '1', bytes: 8 * 2 ** 30 },
    ]);
    await signer.build(join(scratch, 'rpms', 'extra'), [
      { name: 'kubelet', version: '1.36.1', requires: ['conntrack-tools'] },
      { name: 'kubelet', version: '1.36.2', requires: ['conntrack-tools'] },
    ]);
    await stranger.build(join(scratch, 'rpms', 'foreign'), [{ name: 'foreign', version: '1' }]);
    server = await serveFolder(join(scratch, 'rpms'));
    await using context = await testContext({ cache: SHARED_CACHE });
    base = await rpmShapedBase(server.url, join(scratch, 'base'), signer.key, context);
  }, 900_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await stranger?.[Symbol.asyncDispose]();
    await signer?.[Symbol.asyncDispose]();
    await rm(scratch, { recursive: true, force: true });
  });

  const env = () => ({
    XDG_CACHE_HOME: join(scratch, 'cache'),
    XDG_STATE_HOME: join(scratch, 'state'),
    http_proxy: server.proxy,
    no_proxy: 'localhost,127.0.0.1',
  });

  async function build(
    name: string,
    setup: unknown,
    more: readonly string[] = [],
    { from = { path: base, format: 'raw' }, output = 'output' } = {},
  ): Promise<BuildRun> {
    const image = join(scratch, `${name}.json`);
    const wish = {
      image: 'rocky9',
      name,
      base: { file: from.path, format: from.format },
      firmware: 'bios',
      disk: '6GiB',
      memory: '1GiB',
      without: WITHOUT,
      recipes: { setup },
    };
    await writeFile(image, JSON.stringify(wish));
    return runBuild([image, '--output-dir', join(scratch, output), ...more], env());
  }

  const notes = ({ events }: BuildRun) => events.flatMap((event) => (event.type === 'span.note' ? [event.text] : []));
  const statusOf = ({ events }: BuildRun, title: string) => {
    const start = events.find((event) => event.type === 'span.start' && event.name === title);
    return events.find((event) => event.type === 'span.end' && event.span === start?.span);
  };

  const extra = () => ({
    name: 'extra',
    title: 'Extra packages',
    key: signer.key,
    rpm: { baseurl: `${server.url}/extra/`, exclude: ['kubelet'] },
  });
  const plain = () => ({
    repositories: [extra()],
    packages: [{ name: 'jq', version: '1.7.1', hold: true }, { name: 'kubelet', version: '1.36.1' }, 'grubby', 'kernel-core'],
  });

  it('installs pinned, held and excluded packages from signed repositories', async () => {
    const run = await build('plain', plain());
    expect(run.status, told(run)).toBe(0);
    expect(layersOf(run)).toEqual(['packages ok', 'setup ok']);
    expect(run.result?.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(run.result?.checks.map(({ name }) => name)).toEqual(expect.arrayContaining(['setup/jq', 'setup/kubelet']));
  }, 1_200_000);

  it('gets packages by way of the host, which keeps them', () => {
    const packages = server.log.filter((line) => line.endsWith('.rpm'));
    expect(packages.length).toBeGreaterThan(3);
    expect(packages.filter((line) => line.startsWith('guest '))).toEqual([]);
  });

  it('goes on from the layer of packages, and sees when a repository changed', async () => {
    const again = await build('plain', { ...plain(), removeRepositories: true }, ['--no-verify'], { output: 'again' });
    expect(again.status, told(again)).toBe(0);
    expect(layersOf(again)).toEqual(['packages cached', 'setup cached']);
    await signer.build(join(scratch, 'rpms', 'os'), [
      { name: 'conntrack-tools', version: '1.4.8' },
      { name: 'kernel-core', version: '2', files: { '/boot/default-kernel': '/boot/vmlinuz-next' } },
    ]);
    const why = kib(['cache', 'why', join(scratch, 'plain.json')], env());
    expect(`${why.stdout}${why.stderr}`).toContain('/os/repodata/repomd.xml');
  }, 1_200_000);

  it('upgrades what is not held or excluded, and reboots since the kernel changed', async () => {
    const from = { path: join(scratch, 'output', 'plain', 'plain.qcow2'), format: 'qcow2' };
    const run = await build('upgraded', { upgrade: 'all' }, ['--no-verify'], { from });
    expect(run.status, told(run)).toBe(0);
    const log = linesOf(run).join('\n');
    expect(log).toMatch(/conntrack-tools\s.*1\.4\.8/);
    expect(log).not.toMatch(/Upgrad\w+\s*:?\s*(jq|kubelet)/);
    expect(statusOf(run, 'reboot into the new kernel')).toMatchObject({ status: 'ok' });
    expect(notes(run).join('\n')).toMatch(/files from the package cache/);
  }, 1_200_000);

  describe('when packages cannot be installed', () => {
    let context: TestContext;
    let guest: Guest;

    beforeAll(async () => {
      context = await testContext({ cache: SHARED_CACHE });
      const { machine, credentials } = await launch(base, 'raw', context);
      guest = context.scope.use('guest', await waitForGuest(machine, credentials, context));
    }, 600_000);
    afterAll(() => context?.[Symbol.asyncDispose]());

    /** The error of installing one package, from one more repository if there is one, and how long it took. */
    async function failureOf(name: string, version?: string, repository?: { readonly name: string; readonly baseurl: string }) {
      const wanted = {
        repositories:
          repository === undefined
            ? []
            : [{ name: repository.name, title: repository.name, key: signer.key, rpm: { baseurl: repository.baseurl } }],
        packages: [version === undefined ? { name } : { name, version }],
        settledLater: [],
        upgrade: false,
      };
      const planned = [...dnf.sources(wanted), ...dnf.transaction(wanted)].map((action, index): PlannedAction => {
        const plan = { ...action, id: `packages/${index + 1}`, recipe: 'packages' };
        // Nobody waits five minutes in a test.
        return plan.kind === 'exec' ? { ...plan, script: raw(plan.script.text.replace('-ge 300', '-ge 4')) } : plan;
      });
      const start = Date.now();
      const error: unknown = await executeActions(guest, planned, { files: new Map(), context }).catch(
        (failed: unknown) => failed,
      );
      if (!isKibError(error)) throw new Error(`wanted a failure, got ${String(error)}`);
      if (repository !== undefined) {
        await guest.run(sh`rm -f ${`/etc/yum.repos.d/${repository.name}.repo`}`, { signal: context.signal });
      }
      return { code: error.code, message: error.message, ms: Date.now() - start };
    }

    it('names a key that is not trusted, a version that there is not, and a package that needs what nobody has', async () => {
      const foreign = { name: 'foreign', baseurl: `${server.url}/foreign/` };
      expect(await failureOf('foreign', undefined, foreign)).toMatchObject({
        code: 'KIB_PACKAGE_KEY',
        message: expect.stringContaining('nothing vouches for foreign-1-1.noarch'),
      });
      expect(await failureOf('kernel-core', '9.9')).toMatchObject({
        code: 'KIB_PACKAGE_VERSION',
        message: expect.stringContaining('no repository has kernel-core-9.9; there is 1-1'),
      });
      expect(await failureOf('needy')).toMatchObject({
        code: 'KIB_PACKAGE_CONFLICT',
        message: expect.stringContaining('nobody-has-this'),
      });
    }, 300_000);

    it('names a repository that is not there, after trying again', async () => {
      const closed = { name: 'closed', baseurl: 'http://10.0.2.2:1/' };
      const { code, message, ms } = await failureOf('conntrack-tools', undefined, closed);
      expect(code).toBe('KIB_PACKAGE_REPOSITORY');
      expect(message).toMatch(/failed after 3 attempts: the package repository closed cannot be read/);
      expect(ms).toBeLessThan(300_000);
    }, 600_000);

    it('names a full disk', async () => {
      const { code, message } = await failureOf('huge');
      expect(code).toBe('KIB_GUEST_DISK_FULL');
      expect(message).toContain('the guest’s disk is full: /');
    }, 300_000);

    it('names who changes packages for too long', async () => {
      const hold = 'import fcntl, time; f = open("/var/lib/rpm/.rpm.lock", "a"); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(600)';
      await guest.run(sh`setsid python3 -c ${hold} >/dev/null 2>&1 </dev/null & sleep 5`, { signal: context.signal });
      const { code, message } = await failureOf('conntrack-tools');
      expect(code).toBe('KIB_PACKAGE_LOCK');
      expect(message).toMatch(/process \d+ \(python3 -c /);
    }, 300_000);
  });
});
