import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type BuildEvent, MiB } from '../../src/core/index.ts';
import { SHARED_CACHE, testBase } from '../support/boot-base.ts';
import { type BuildRun, linesOf, runBuild, told } from '../support/build-run.ts';
import { DEB_TOOLS, makeDebRepository } from '../support/deb/repository.ts';
import { type FolderServer, serveFolder } from '../support/folder-server.ts';
import { readImage } from '../support/image-tree.ts';
import { filesBelow, filesWith, portsOf, processesWith, stillListening } from '../support/leftovers.ts';
import { isLeftOut } from '../support/long.ts';
import { makeSigner, type Signer } from '../support/openpgp.ts';
import { kib } from '../support/program.ts';
import { testContext } from '../support/test-context.ts';

const TOKEN = 'dGhlLXNlY3JldA-0c4f9e77';
const WITHOUT = [
  'node',
  'providers',
  'containerd',
  'cni',
  'kubernetes',
  'guest-agent',
  'network-manager',
  'selinux',
  'cloud-init',
];
const missing = DEB_TOOLS.filter((name) => !existsSync(join('/usr/bin', name)));
if (missing.length > 0) console.warn(`SKIPPED: tests of package repositories need ${missing.join(', ')}`);

/** Leaves 32 MiB of the guest's root file system, and what root alone may have as well: apt fetches as a user of its own. */
const FILL = `fallocate -l "$(($(stat -f -c '%a * %S' /) - ${32 * MiB}))" /fill; sync`;

/** Every failure here has a deadline of its own well below this, emulation included. */
const FAILURE_MS = 240_000;

/** Every build continues the same guest where its boot ended, so that each costs seconds. */
describe.skipIf(isLeftOut('failing builds of a real guest'))('a build in a real guest', () => {
  let scratch: string;
  let base: string;
  /** Builds of the test that is running: nothing of them may be left when it is over. */
  const ids: string[] = [];

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'kib-failures-'));
    await using context = await testContext({ cache: SHARED_CACHE });
    base = await testBase(context);
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));
  afterEach(() => {
    for (const id of ids.splice(0)) {
      expect(processesWith(`kib-${id}`)).toEqual([]);
      expect(filesBelow(join(cacheHome(), 'kib-native')).filter((file) => file.includes(id))).toEqual([]);
    }
    expect(filesBelow(join(scratch, 'output')).filter((file) => file.includes('part'))).toEqual([]);
  });

  const cacheHome = () => join(scratch, 'cache');
  const env = () => ({ XDG_CACHE_HOME: cacheHome(), XDG_STATE_HOME: join(scratch, 'state'), KIB_E2E_TOKEN: TOKEN });
  async function build(
    { provision = '', setup }: { readonly provision?: string; readonly setup?: Readonly<Record<string, unknown>> },
    more: readonly string[] = [],
    others: Readonly<Record<string, string>> = {},
    onEvent?: (event: BuildEvent) => void,
  ): Promise<BuildRun> {
    const image = join(scratch, 'node.yaml');
    const head = `image: debian13\nname: node\nbase: { file: ${base} }\nfirmware: bios\ndisk: 4GiB\nmemory: 1GiB\n`;
    const without = `without: [${[...WITHOUT, ...(setup === undefined ? ['setup'] : [])].join(', ')}]\n`;
    const recipes = setup === undefined ? '' : `recipes: ${JSON.stringify({ setup })}\n`;
    writeFileSync(image, `${head}${without}${recipes}${provision === '' ? '' : `provision:\n${provision}`}`);
    const run = await runBuild(
      [image, '--output-dir', join(scratch, 'output'), '--no-verify', ...more],
      { ...env(), ...others },
      onEvent,
    );
    if (run.status !== 0) expect(run.ms, told(run)).toBeLessThan(FAILURE_MS);
    ids.push(run.id);
    return run;
  }

  /** A kept machine runs until `gc` is told of it. */
  function expectKept({ id, events }: BuildRun, ...look: readonly string[]): string {
    const kept = events.find((event) => event.type === 'warning' && event.code === 'KIB_KEPT');
    expect(kept).toMatchObject({ hint: expect.stringContaining(`kib-native ssh ${id}`) as string });
    const ports = portsOf(`kib-${id}`);
    expect(ports.length).toBeGreaterThan(0);
    const { stdout } = kib(['ssh', id, ...look], env());
    expect(kib(['gc', id], env()).status).toBe(0);
    expect(stillListening(ports)).toEqual([]);
    return stdout;
  }

  it('may break the connection or reboot where that is expected, and is told secrets that stay nowhere', async () => {
    const run = await build({
      provision: `
  - shell: |
      printf %s "$TOKEN" | sha256sum | cut -d' ' -f1 >/etc/kib-token
      echo "the token is $TOKEN, for $WHOM"
    secrets: { TOKEN: { env: KIB_E2E_TOKEN } }
    environment: { WHOM: us }
  - shell: |
      cat /proc/sys/kernel/random/boot_id >/etc/kib-before
      systemctl restart ssh
      pkill -KILL sshd
      sleep 60
    expectDisconnect: true
  - shell: cmp /proc/sys/kernel/random/boot_id /etc/kib-before
  - shell: systemctl reboot
    expectDisconnect: true
  - { shell: touch /etc/kib-onlyif, onlyIf: test -e /etc/kib-never }
  - shell: |
      ! cmp -s /proc/sys/kernel/random/boot_id /etc/kib-before
      ! test -e /etc/kib-onlyif
      echo another boot
  - { shell: id -un; pwd, user: nobody, workdir: /tmp }
  - { shell: touch /etc/kib-last, at: after-seal }
`,
    });
    expect(run.status, told(run)).toBe(0);
    expect(linesOf(run)).toEqual(expect.arrayContaining(['the token is ***, for us', 'another boot', 'nobody', '/tmp']));
    const disk = join(scratch, 'output', 'node', 'node.qcow2');
    const { tree } = await readImage(disk, 'qcow2', () => false, new AbortController().signal);
    expect(['token', 'last', 'onlyif'].map((name) => tree.has(`/etc/kib-${name}`))).toEqual([true, true, false]);
    const folders = ['state', 'cache', 'output'].map((folder) => join(scratch, folder));
    expect(filesWith(TOKEN, folders)).toEqual([]);
    expect(filesWith(Buffer.from(TOKEN).toString('base64').slice(0, 20), folders)).toEqual([]);
    rmSync(join(scratch, 'output'), { recursive: true });
  });

  it('says so when an action loses the connection', async () => {
    const { status, error } = await build({
      provision: `
  - name: cut the line
    shell: systemctl stop ssh.socket ssh || :; pkill -KILL sshd; sleep 600
`,
    });
    expect({ status, error }).toMatchObject({ status: 6, error: { code: 'KIB_SSH_LOST', details: { title: 'cut the line' } } });
  });

  it('says so when an action fills the disk', async () => {
    const { status, error } = await build({
      provision: `
  - shell: ${FILL}
  - { name: write more, shell: head -c 512M /dev/zero >/etc/more }
`,
    });
    expect({ status, error }).toMatchObject({
      status: 7,
      error: {
        code: 'KIB_GUEST_DISK_FULL',
        message: expect.stringContaining('No space left on device') as string,
        details: { title: 'write more' },
      },
    });
  });

  it('ends an action that takes too long, and the machine can be kept, entered and removed', async () => {
    const run = await build(
      { provision: '  - { name: sleep long, shell: "touch /etc/kib-slept; sleep 600", timeoutSeconds: 1 }\n' },
      ['--on-error', 'keep'],
    );
    expect(run, told(run)).toMatchObject({ status: 7, error: { code: 'KIB_ACTION_TIMEOUT', details: { title: 'sleep long' } } });
    expect(run.error?.hint).toContain(`kib-native ssh ${run.id}`);
    const inside = expectKept(run, 'ls', '/etc/kib-slept', '&&', 'pgrep', '-x', 'sleep', '||', 'echo', 'ended');
    expect(inside).toBe('/etc/kib-slept\nended\n');
  });

  it('shows the console of a guest that does not come back from a reboot', async () => {
    const { status, error } = await build({
      provision: `
  - shell: systemctl mask ssh.service ssh.socket; echo 'the last boot' >/dev/console
  - { reboot: { timeoutSeconds: 3 }, name: new kernel }
`,
    });
    expect({ status, error }).toMatchObject({
      status: 7,
      error: {
        code: 'KIB_REBOOT_TIMEOUT',
        message: expect.stringMatching(/new kernel.*did not answer again within .*console ends with\n/) as string,
        details: { console: expect.arrayContaining([expect.any(String)]) as string[] },
      },
    });
  });

  it('ends at once when an action powers the machine off', async () => {
    const { status, error } = await build({
      provision: '  - { name: switch off, shell: systemctl poweroff, expectDisconnect: true }\n',
    });
    expect({ status, error }).toMatchObject({ status: 5, error: { code: 'KIB_QEMU_EXITED', details: { title: 'switch off' } } });
  });

  describe.skipIf(missing.length > 0)('that installs packages', () => {
    let signer: Signer;
    let stranger: Signer;
    let server: FolderServer;

    beforeAll(async () => {
      [signer, stranger] = [await makeSigner(), await makeSigner()];
      const own = [
        { name: 'tool', version: '1.0' },
        // More than root has left.
        { name: 'bulky', version: '1.0', bytes: 512 * MiB },
      ];
      for (const folder of ['own', 'late']) await makeDebRepository(join(scratch, 'debs', folder), own, signer);
      await makeDebRepository(join(scratch, 'debs', 'foreign'), [{ name: 'tool', version: '1.0' }], stranger);
      server = await serveFolder(join(scratch, 'debs'));
    });
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
      await stranger?.[Symbol.asyncDispose]();
      await signer?.[Symbol.asyncDispose]();
    });

    /** From one of our repositories alone: what the archive of Debian says costs time. */
    async function install(
      packages: readonly unknown[],
      { from = 'own', before = '', more = [] as readonly string[], onEvent = (_event: BuildEvent): void => {} } = {},
    ): Promise<BuildRun> {
      const uri = from.startsWith('http') ? from : `${server.url}/${from}/`;
      const repository = { name: 'test', key: signer.key.armored, apt: { uri, suite: './' } };
      const provision = before === '' ? '' : `  - { at: before-packages, shell: ${JSON.stringify(before)} }\n`;
      const setup = { disable: true, repositories: [repository], packages };
      return build({ provision, setup }, more, { http_proxy: server.proxy, no_proxy: 'localhost,127.0.0.1' }, onEvent);
    }

    /** Of a build that fails in this layer. */
    const failure = (recipe: 'repositories' | 'packages', code: string, message: RegExp) => ({
      status: 7,
      error: { code, message: expect.stringMatching(message) as string, details: { recipe } },
    });

    it('names a version that no repository has, and those there are', async () => {
      const run = await install([{ name: 'tool', version: '9.9' }]);
      const known = /no repository has tool in version 9\.9; there is 1\.0/;
      expect(run, told(run)).toMatchObject(failure('packages', 'KIB_PACKAGE_VERSION', known));
    });

    it('names a key that is not trusted', async () => {
      const run = await install(['tool'], { from: 'foreign' });
      const whose = new RegExp(`is signed by ${stranger.key.fingerprint}, which is not trusted`);
      expect(run, told(run)).toMatchObject(failure('repositories', 'KIB_PACKAGE_KEY', whose));
    });

    it('starts no machine for a repository that is not there', async () => {
      const run = await install(['tool'], { from: 'http://127.0.0.1:1/' });
      const message = expect.stringContaining('127.0.0.1:1') as string;
      expect(run, told(run)).toMatchObject({ status: 4, error: { code: 'KIB_HTTP', message } });
      expectNoMachine(run);
    });

    it('names a repository that went away, after trying again', async () => {
      const onEvent = (event: BuildEvent) => {
        if (event.type === 'span.start' && event.kind === 'boot') server.gone.add('/late/');
      };
      const run = await install(['tool'], { from: 'late', onEvent });
      const again = /failed after 3 attempts: the package repository \S+\/late\/\S* cannot be read/;
      expect(run, told(run)).toMatchObject(failure('repositories', 'KIB_PACKAGE_REPOSITORY', again));
    });

    it('names a full disk', async () => {
      const run = await install(['bulky'], { before: FILL });
      expect(run, told(run)).toMatchObject(failure('packages', 'KIB_GUEST_DISK_FULL', /the guest’s disk is full/));
    });

    it('names who changes packages for too long, in a machine that can be kept', async () => {
      const hold =
        'import fcntl, time; f = open("/var/lib/dpkg/lock-frontend", "a"); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(600)';
      // Nobody waits five minutes in a test: the last setting counts.
      const before = `
        printf '#!/bin/sh\\nexec /usr/bin/apt-get "$@" -o DPkg::Lock::Timeout=3\\n' >/usr/local/sbin/apt-get
        chmod 0755 /usr/local/sbin/apt-get
        setsid python3 -c '${hold}' >/dev/null 2>&1 </dev/null &
        until grep -q ":$(stat -c %i /var/lib/dpkg/lock-frontend) " /proc/locks; do sleep 0.2; done
      `;
      const run = await install(['tool'], { before, more: ['--on-error', 'keep'] });
      expect(run, told(run)).toMatchObject({ status: 7, error: { code: 'KIB_PACKAGE_LOCK' } });
      const [, pid = 'none'] = /process (\d+) \(python3\)/.exec(run.error?.message ?? '') ?? [];
      expect(expectKept(run, 'cat', `/proc/${pid}/comm`)).toBe('python3\n');
    });
  });

  it('starts no machine when it would pause without a terminal, or a secret is not there', async () => {
    const paused = await build({ provision: '  - { breakpoint: look around }\n' });
    expect(paused).toMatchObject({ status: 3, error: { code: 'KIB_BREAKPOINT' } });
    const unset = await build({
      provision: '  - { shell: ":", secrets: { A: { env: KIB_NOT_SET }, B: { file: gone.pem } } }\n',
    });
    expect(unset).toMatchObject({
      status: 3,
      error: { code: 'KIB_SECRET_MISSING', message: expect.stringMatching(/KIB_NOT_SET.*gone\.pem/) as string },
    });
    for (const run of [paused, unset]) expectNoMachine(run);
  });

  function expectNoMachine({ events }: BuildRun): void {
    expect(events.filter((event) => event.type === 'span.start' && event.kind === 'boot')).toEqual([]);
    expect(filesBelow(join(cacheHome(), 'kib-native', 'work'))).toEqual([]);
  }
});
