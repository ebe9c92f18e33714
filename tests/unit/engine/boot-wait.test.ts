import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KibError, type Transport } from '../../../src/core/index.ts';
import { type BootWaitOptions, waitForGuest } from '../../../src/engine/boot-wait.ts';
import { hostKeyMismatch, sshLost } from '../../../src/transport/errors.ts';
import type { connectSsh } from '../../../src/transport/ssh.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type ConsoleScript, type FakeMachineOptions, fakeMachine } from '../../support/fake-machine.ts';
import { scriptedTransport } from '../../support/scripted-transport.ts';
import { type TestContext, testContext } from '../../support/test-context.ts';

const endpoint = { host: '127.0.0.1', port: 22 };
const credentials = { username: 'kib', privateKey: '', hostKey: '' };
const nobody = () => sshLost(endpoint, 'closed before any greeting', 'none');
const refused = () => new KibError('KIB_SSH_AUTH', 'refused the login key');
const otherKey = () => hostKeyMismatch(endpoint, Buffer.from('ours'), Buffer.from('theirs'));

const FIRMWARE: ConsoleScript = [
  [500, 'SeaBIOS (version 1.16.2)'],
  [900, 'Booting from Hard Disk...'],
];
const KERNEL: ConsoleScript = [...FIRMWARE, [2000, '[    0.000000] Linux version 6.12']];
const SYSTEMD: ConsoleScript = [...KERNEL, [5000, '[    3.000000] systemd[1]: systemd 257 running in system mode']];
const CLOUD_INIT: ConsoleScript = [...SYSTEMD, [8000, '         Starting cloud-init-local.service - Cloud-init: Local Stage...']];
const UP: ConsoleScript = [...CLOUD_INIT, [12_000, '[  OK  ] Reached target multi-user.target - Multi-User System.']];
const DONE: ConsoleScript = [...UP, [15_000, '[  OK  ] Reached target cloud-init.target - Cloud-init target.']];

let clock: FakeClock;
let context: TestContext;
let transports: ReturnType<typeof scriptedTransport>[];
beforeEach(async () => {
  clock = new FakeClock();
  context = await testContext({ clock });
  transports = [];
});
afterEach(() => context[Symbol.asyncDispose]());

/** Connects as the guest would let it at that moment: a failure, or a connection whose scripts print `cloudInit`. */
function sshd(
  answer: (atMs: number) => KibError | undefined,
  cloudInit: { stdout: string; exitCode: number } = { stdout: 'done\n', exitCode: 0 },
) {
  const powerOn = clock.now();
  const connect = async (): Promise<Transport> => {
    const error = answer(clock.now() - powerOn);
    if (error !== undefined) throw error;
    const transport = scriptedTransport(() => cloudInit);
    transports.push(transport);
    return transport;
  };
  return connect as typeof connectSsh;
}

async function boot(machine: Omit<FakeMachineOptions, 'clock'>, connect: typeof connectSsh, options: BootWaitOptions = {}) {
  const started = clock.now();
  const work = waitForGuest(fakeMachine({ ...machine, clock }), credentials, context, { ...options, connect });
  const outcome = await clock.run(work).then(
    (guest) => ({ guest, error: undefined }),
    (error: unknown) => ({ guest: undefined, error: error as KibError }),
  );
  return { ...outcome, seconds: (clock.now() - started) / 1000 };
}

const notes = () => context.events.flatMap((event) => (event.type === 'span.note' ? [event.text] : []));

describe('a boot that succeeds', () => {
  it('logs in as soon as the server lets it, and notes every phase', async () => {
    const { guest, seconds } = await boot(
      { console: UP },
      sshd((at) => (at < 11_000 ? nobody() : undefined)),
    );
    expect(guest).toBeDefined();
    expect(seconds).toBeLessThan(11.4);
    expect(notes()).toEqual(['firmware', 'bootloader', 'kernel', 'systemd', 'cloud-init', 'logged in, waiting for cloud-init']);
  });

  it('asks nothing of cloud-init where the login comes from elsewhere, and lets the network come up after the system', async () => {
    const console: ConsoleScript = [...SYSTEMD, [6000, '[  OK  ] Reached target multi-user.target - Multi-User System.']];
    const failed = { stdout: '', exitCode: 1 };
    const { guest, seconds } = await boot(
      { console },
      sshd((at) => (at < 11_000 ? nobody() : undefined), failed),
      { cloudInit: 'none' },
    );
    expect(guest).toBeDefined();
    expect(seconds).toBeLessThan(12);
    expect(notes()).toEqual(['firmware', 'bootloader', 'kernel', 'systemd', 'sshd']);
  });

  it('gives up where such a login is not taken, and does not ask for cloud-init', async () => {
    const console: ConsoleScript = [...SYSTEMD, [6000, '[  OK  ] Reached target multi-user.target - Multi-User System.']];
    const { error, seconds } = await boot({ console }, sshd(nobody), { cloudInit: 'none' });
    expect(error).toMatchObject({ code: 'KIB_SEED_IGNORED', hint: 'the base must apply system credentials' });
    expect(error?.message).not.toContain('cloud-init');
    expect(seconds).toBeLessThan(23);
  });

  it('needs no console', async () => {
    const { guest } = await boot(
      {},
      sshd((at) => (at < 20_000 ? nobody() : undefined)),
    );
    expect(guest).toBeDefined();
  });

  it('does not mind another host key, or a refused key, before cloud-init is done', async () => {
    const answers = (at: number) => (at < 9000 ? nobody() : at < 12_000 ? otherKey() : at < 15_500 ? refused() : undefined);
    expect((await boot({ console: DONE }, sshd(answers))).guest).toBeDefined();
  });

  it('survives a restart on the way', async () => {
    const again = DONE.map(([at, line]) => [at + 20_000, line] as const);
    const { guest } = await boot(
      { console: [...UP, ...again] },
      sshd((at) => (at < 33_000 ? nobody() : undefined)),
    );
    expect(guest).toBeDefined();
  });

  it('warns of what cloud-init recovered from', async () => {
    const report = { stdout: '{"errors": [], "recoverable_errors": {"WARNING": ["bad key"]}}', exitCode: 2 };
    expect(
      (
        await boot(
          { console: DONE },
          sshd(() => undefined, report),
        )
      ).guest,
    ).toBeDefined();
    expect(context.events).toContainEqual(
      expect.objectContaining({ type: 'warning', message: expect.stringContaining('WARNING: bad key') }),
    );
  });
});

describe('a boot that fails', () => {
  it.each<[string, string, ConsoleScript, number]>([
    ['KIB_BOOT_NO_DEVICE', 'at the firmware’s last word', [...FIRMWARE, [3000, 'No bootable device.']], 3.5],
    [
      'KIB_BOOT_NO_DEVICE',
      'when nothing follows a failed device',
      [...FIRMWARE, [3000, 'Boot failed: not a bootable disk']],
      9.5,
    ],
    ['KIB_BOOT_LOADER', 'in GRUB', [...FIRMWARE, [3000, 'grub rescue>']], 3.5],
    [
      'KIB_BOOT_PANIC',
      'in the kernel',
      [...KERNEL, [4000, '[    2.000000] Kernel panic - not syncing: VFS: Unable to mount root fs']],
      4.5,
    ],
    ['KIB_BOOT_CPU', 'for want of a CPU', [...KERNEL, [4000, 'Fatal glibc error: CPU does not support x86-64-v3']], 4.5],
    ['KIB_BOOT_EMERGENCY', 'in emergency mode', [...SYSTEMD, [9000, 'You are in emergency mode.']], 9.5],
    ['KIB_BOOT_NO_SSHD', 'without an SSH server', DONE, 18.5],
  ])('%s %s, early and with the last console lines', async (code, _, script, seconds) => {
    const outcome = await boot({ console: script, hasDisplay: true }, sshd(nobody));
    expect(outcome.error).toMatchObject({ code, hint: expect.any(String) });
    expect(outcome.error?.message).toContain(script.at(-1)?.[1]);
    expect(outcome.seconds).toBeLessThan(seconds);
    expect(outcome.error?.details['console']).toContain(script.at(-1)?.[1]);
    expect(await readFile(join(context.dirs.logs, 'screenshot.png'), 'utf8')).toBe('PNG');
    expect(outcome.error?.message).toContain('screenshot.png');
  });

  it.each([
    ['shows a host key of its own', otherKey, 'another host key'],
    ['refuses the key', refused, 'refuses the seed’s login key'],
  ])('KIB_SEED_IGNORED when a guest that is up %s', async (_, answer, words) => {
    const { error, seconds } = await boot(
      { console: DONE },
      sshd((at) => (at < 11_000 ? nobody() : answer())),
    );
    expect(error).toMatchObject({ code: 'KIB_SEED_IGNORED', message: expect.stringContaining(words) });
    expect(seconds).toBeLessThan(20);
  });

  it('KIB_SEED_IGNORED when the system is up, cloud-init did not run and no server answers', async () => {
    const script: ConsoleScript = [...SYSTEMD, [12_000, '[  OK  ] Reached target multi-user.target - Multi-User System.']];
    const { error, seconds } = await boot({ console: script }, sshd(nobody));
    expect(error).toMatchObject({ code: 'KIB_SEED_IGNORED', message: expect.stringContaining('cloud-init did not run') });
    expect(seconds).toBeLessThan(16);
  });

  it('gives a bare login prompt longer', async () => {
    const { error, seconds } = await boot({ console: [...KERNEL, [10_000, 'debian login:']] }, sshd(nobody));
    expect(error?.code).toBe('KIB_BOOT_NO_SSHD');
    expect(seconds).toBeGreaterThan(20);
    expect(seconds).toBeLessThan(27);
  });

  it('says which unit failed', async () => {
    const failed = '[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.';
    const { error } = await boot({ console: [...CLOUD_INIT, [11_000, failed], ...DONE.slice(-2)] }, sshd(nobody));
    expect(error?.message).toContain(`no SSH server answers (${failed})`);
  });

  it.each<[string, ConsoleScript, number]>([
    ['firmware', [], 31],
    ['kernel', KERNEL, 63],
    ['systemd', SYSTEMD, 126],
  ])('KIB_BOOT_TIMEOUT names the phase %s it hung in', async (phase, script, seconds) => {
    const outcome = await boot({ console: script }, sshd(nobody));
    expect(outcome.error).toMatchObject({ code: 'KIB_BOOT_TIMEOUT', message: expect.stringContaining(`hung in phase ${phase}`) });
    expect(outcome.seconds).toBeLessThan(seconds);
  });

  it('multiplies deadlines by the slowness, and takes other ones', async () => {
    expect((await boot({ console: [], slowness: 8 }, sshd(nobody))).seconds).toBeCloseTo(240, 0);
    expect((await boot({ console: [] }, sshd(nobody), { deadlines: { firmware: 5000 } })).seconds).toBeCloseTo(5, 0);
  });

  it('gives up on a machine that restarts for ever', async () => {
    const loop = Array.from({ length: 5 }, (_, round) => KERNEL.map(([at, line]) => [at + round * 5000, line] as const)).flat();
    const { error } = await boot({ console: loop }, sshd(nobody));
    expect(error).toMatchObject({ code: 'KIB_BOOT_PANIC', message: expect.stringContaining('restarted 3 times') });
  });

  it('at once when the machine exits', async () => {
    const { error, seconds } = await boot({ console: KERNEL, exitsAtMs: 3000 }, sshd(nobody));
    expect(error?.code).toBe('KIB_QEMU_EXITED');
    expect(error?.message).toContain('Linux version');
    expect(seconds).toBeCloseTo(3, 1);
  });

  it('when cloud-init failed, and closes the connection', async () => {
    const report = { stdout: '{"errors": ["no such user"]}', exitCode: 1 };
    const { error } = await boot(
      { console: DONE },
      sshd(() => undefined, report),
    );
    expect(error).toMatchObject({ code: 'KIB_CLOUDINIT_FAILED', message: expect.stringContaining('no such user') });
    expect(transports.map((transport) => transport.isDisposed())).toEqual([true]);
  });

  it('at once when aborted', async () => {
    const work = waitForGuest(fakeMachine({ clock, console: KERNEL }), credentials, context, { connect: sshd(nobody) });
    work.catch(() => {});
    await clock.advance(3000);
    context.abort(new Error('Ctrl-C'));
    await expect(work).rejects.toMatchObject({ code: 'KIB_CANCELLED', message: 'interrupted: Ctrl-C' });
    await clock.advance(0);
    expect(clock.sleeping).toBe(0);
  });
});
