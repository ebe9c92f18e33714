import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHARED_CACHE, testBase } from '../support/boot-base.ts';
import { readImage } from '../support/image-tree.ts';
import { filesBelow, processesWith } from '../support/leftovers.ts';
import { isLeftOut } from '../support/long.ts';
import { kib, startKib } from '../support/program.ts';
import { testContext } from '../support/test-context.ts';

const TOKEN = 'dGhlLXNlY3JldA-0c4f9e77';

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Every build continues the same guest where its boot ended, so that each costs seconds. */
describe.skipIf(isLeftOut('failing actions of a real guest'))('actions of a real guest', () => {
  let scratch: string;
  let base: string;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'kib-failures-'));
    await using context = await testContext({ cache: SHARED_CACHE });
    base = await testBase(context);
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const cacheHome = () => join(scratch, 'cache');
  const env = () => ({ XDG_CACHE_HOME: cacheHome(), XDG_STATE_HOME: join(scratch, 'state'), KIB_E2E_TOKEN: TOKEN });

  async function build(provision: string, ...more: readonly string[]) {
    const image = join(scratch, 'node.yaml');
    const without =
      'without: [setup, node, providers, containerd, cni, kubernetes, guest-agent, network-manager, selinux, cloud-init]';
    const head = `image: debian13\nname: node\nbase: { file: ${base} }\nfirmware: bios\ndisk: 4GiB\nmemory: 1GiB\n${without}\n`;
    writeFileSync(image, `${head}provision:\n${provision}`);
    const start = performance.now();
    const run = startKib(['build', image, '--output-dir', join(scratch, 'output'), '--no-verify', ...more], env());
    const { status, stderr } = await run.ended;
    const [line = '{}'] = stderr.split('\n').filter((text) => text.startsWith('{"error"'));
    const { error } = JSON.parse(line) as { error?: Failure };
    const id = run.events[0]?.build ?? '';
    const lines = run.events.flatMap((event) => (event.type === 'log' && event.stream === 'guest' ? [event.line] : []));
    return { status, stderr, error, id, lines, seconds: (performance.now() - start) / 1000, events: run.events };
  }

  function expectNothingLeft(id: string): void {
    expect(processesWith(`kib-${id}`)).toEqual([]);
    expect(filesBelow(join(cacheHome(), 'kib-native', 'work')).filter((file) => file.includes(id))).toEqual([]);
    expect(filesBelow(join(scratch, 'output')).filter((file) => file.includes('part'))).toEqual([]);
  }

  /** Files below the folders of the builds that hold the text. */
  function filesWith(text: string): readonly string[] {
    const folders = ['state', 'cache', 'output'].map((folder) => join(scratch, folder));
    const { stdout, status } = spawnSync('grep', ['-rlaF', '--', text, ...folders], { encoding: 'utf8' });
    expect(status).toBeLessThan(2);
    return stdout.split('\n').filter((line) => line !== '');
  }

  it('may break the connection or reboot where that is expected, and are told secrets that stay nowhere', async () => {
    const { status, stderr, lines, id } = await build(`
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
`);
    expect(status, stderr).toBe(0);
    expect(lines).toEqual(expect.arrayContaining(['the token is ***, for us', 'another boot', 'nobody', '/tmp']));
    expectNothingLeft(id);
    const disk = join(scratch, 'output', 'node', 'node.qcow2');
    const { tree } = await readImage(disk, 'qcow2', () => false, new AbortController().signal);
    expect(['/etc/kib-token', '/etc/kib-last', '/etc/kib-onlyif'].map((path) => tree.has(path))).toEqual([true, true, false]);
    expect(filesWith(TOKEN)).toEqual([]);
    expect(filesWith(Buffer.from(TOKEN).toString('base64').slice(0, 20))).toEqual([]);
    rmSync(join(scratch, 'output'), { recursive: true });
  });

  it('that lose the connection say so', async () => {
    const { status, error, id, seconds } = await build(`
  - name: cut the line
    shell: systemctl stop ssh.socket ssh || :; pkill -KILL sshd; sleep 600
`);
    expect({ status, error }).toMatchObject({ status: 6, error: { code: 'KIB_SSH_LOST', details: { title: 'cut the line' } } });
    expect(seconds).toBeLessThan(240);
    expectNothingLeft(id);
  });

  it('that fill the disk say so', async () => {
    const { status, error, id } = await build(`
  - shell: fallocate -l "$(($(df --output=avail -B1 / | tail -n 1) - 65536))" /fill; sync
  - { name: write more, shell: head -c 1000000 /dev/zero >/etc/more }
`);
    expect({ status, error }).toMatchObject({
      status: 7,
      error: {
        code: 'KIB_GUEST_DISK_FULL',
        message: expect.stringContaining('No space left on device') as string,
        details: { title: 'write more' },
      },
    });
    expectNothingLeft(id);
  });

  it('that take too long are ended, and the machine can be kept, entered and removed', async () => {
    const { status, error, id, stderr } = await build(
      `
  - { name: sleep long, shell: "touch /etc/kib-slept; sleep 600", timeoutSeconds: 2 }
`,
      '--on-error',
      'keep',
    );
    expect({ status, error }, stderr).toMatchObject({
      status: 7,
      error: {
        code: 'KIB_ACTION_TIMEOUT',
        details: { title: 'sleep long' },
        hint: expect.stringContaining(`kib-native ssh ${id}`) as string,
      },
    });
    const inside = kib(['ssh', id, 'ls', '/etc/kib-slept', '&&', 'pgrep', '-x', 'sleep', '||', 'echo', 'ended'], env());
    expect(inside.stdout).toBe('/etc/kib-slept\nended\n');
    expect(processesWith(`kib-${id}`)).not.toEqual([]);
    expect(kib(['gc', id], env()).status).toBe(0);
    expectNothingLeft(id);
  });

  it('that reboot a guest which does not come back show its console', async () => {
    const { status, error, id } = await build(
      `
  - shell: systemctl mask ssh.service ssh.socket; echo 'the last boot' >/dev/console
  - { reboot: { timeoutSeconds: 15 }, name: new kernel }
`,
      '--on-error',
      'keep',
    );
    expect({ status, error }).toMatchObject({
      status: 7,
      error: {
        code: 'KIB_REBOOT_TIMEOUT',
        message: expect.stringMatching(/new kernel.*did not answer again within .*console ends with\n/) as string,
        details: { console: expect.arrayContaining([expect.any(String)]) as string[] },
      },
    });
    expect(processesWith(`kib-${id}`)).not.toEqual([]);
    expect(kib(['gc', id], env()).status).toBe(0);
    expectNothingLeft(id);
  });

  it('that power the machine off end at once', async () => {
    const { status, error, id, seconds } = await build(`
  - { name: switch off, shell: systemctl poweroff, expectDisconnect: true }
`);
    expect({ status, error }).toMatchObject({ status: 5, error: { code: 'KIB_QEMU_EXITED', details: { title: 'switch off' } } });
    expect(seconds).toBeLessThan(240);
    expectNothingLeft(id);
  });

  it('that pause need a terminal, and secrets need to be there, before any machine starts', async () => {
    const paused = await build('  - { breakpoint: look around }\n');
    expect(paused).toMatchObject({ status: 3, error: { code: 'KIB_BREAKPOINT' } });
    const missing = await build('  - { shell: ":", secrets: { A: { env: KIB_NOT_SET }, B: { file: gone.pem } } }\n');
    expect(missing).toMatchObject({
      status: 3,
      error: { code: 'KIB_SECRET_MISSING', message: expect.stringMatching(/KIB_NOT_SET.*gone\.pem/) as string },
    });
    for (const { events } of [paused, missing])
      expect(events.flatMap((event) => (event.type === 'span.start' && event.kind === 'boot' ? [event.name] : []))).toEqual([]);
    expect(readdirSync(join(cacheHome(), 'kib-native', 'work'))).toEqual([]);
  });
});
