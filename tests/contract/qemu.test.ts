import { type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { qemu } from '../../drivers/qemu/driver.ts';
import type { LaunchRequest } from '../../src/core/index.ts';
import { collectGarbage } from '../../src/engine/gc.ts';
import { countingLayers, hasWritten } from '../support/contract-guest.ts';
import { filesBelow, listeningPorts, processesWith } from '../support/leftovers.ts';
import { type TestContext, testContext } from '../support/test-context.ts';
import { TINY_GUEST_LINES, tinyGuest, tinyGuestRequest } from '../support/tiny-guest.ts';
import { describeDriver, greeted } from './describe-driver.ts';

const defaults = qemu.options.parse({});

describeDriver({
  driver: qemu,
  options: defaults,
  guest: async (dir) => tinyGuestRequest(join(dir, 'guest.img')),
  deafGuest: async (dir) => tinyGuestRequest(join(dir, 'deaf.img'), { deaf: true }),
  greeting: TINY_GUEST_LINES[1],
  hasWritten,
  kill: (machine) => process.kill(Number(machine.id.split(' ').at(-1)), 'SIGKILL'),
  layers: countingLayers,
});

describe('a process that runs a machine', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'kib-process-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  function start(build: string, mode: 'run' | 'wait' | 'freeze', options: SpawnOptions = {}) {
    const script = fileURLToPath(new URL('../support/machine-process.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, root, build, mode], {
      ...options,
      env: { ...process.env, HOME: root, TMPDIR: root },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
    const said = async () => JSON.parse((await lines.next()).value ?? '{}') as Record<string, unknown>;
    const ended = new Promise<unknown>((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
    return { child, said, ended };
  }

  // With a TPM each machine is two processes.
  it.for([
    ['wait', 2],
    ['freeze', 4],
  ] as const)('leaves after kill -9 what gc finds and removes (%s)', async ([mode, processes]) => {
    const build = `killed-${mode}-${process.pid}`;
    const { child, said, ended } = start(build, mode, { detached: true });
    const gc = () => collectGarbage({ stateHome: root, drivers: [qemu], dryRun: false, signal: new AbortController().signal });
    try {
      const { port } = await said();
      expect((await gc()).builds).toMatchObject([{ id: build, status: 'running' }]);
      // The whole process group, as Ctrl-C does it: the machine and its TPM are in sessions of their own.
      process.kill(-Number(child.pid), 'SIGKILL');
      expect(await ended).toBe('SIGKILL');
      expect(processesWith(build)).toHaveLength(processes);
      expect(listeningPorts()).toContain(port);
      const report = await gc();
      expect(report.builds).toMatchObject([{ id: build, status: 'collected' }]);
      expect(processesWith(build)).toEqual([]);
      expect(listeningPorts()).not.toContain(port);
      expect(filesBelow(join(root, 'work'))).toEqual([]);
      expect(filesBelow(root).filter((name) => name.endsWith('.sock') || name.endsWith('.pid'))).toEqual([]);
      expect((await gc()).builds).toMatchObject([{ id: build, status: 'clean' }]);
    } finally {
      // What a failed expectation leaves running, nobody else would end.
      child.kill('SIGKILL');
      await ended;
      for (const line of processesWith(build)) process.kill(Number.parseInt(line, 10), 'SIGKILL');
    }
  });

  it('works for a user without privileges', async ({ skip }) => {
    if (process.getuid?.() !== 0) skip('this process is one already');
    const others = 65_534;
    await chown(root, others, others);
    const { said, ended } = start(`plain-${process.pid}`, 'run', { uid: others, gid: others });
    expect(await said()).toMatchObject({ uid: others });
    expect(await said()).toMatchObject({ held: [] });
    expect(await ended).toBe(0);
  });
});

describe('QEMU launches', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-launch-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const variants = [
    { tpm: true, diskInterface: 'scsi' },
    { diskInterface: 'sata', networkModel: 'e1000e', cache: 'writeback', display: 'vnc' },
    { diskInterface: 'nvme', networkModel: 'vmxnet3', cache: 'none', watchdog: false, sandbox: false, discard: false },
    { machineType: 'q35', cpuModel: 'Haswell', accelerator: 'tcg', args: ['-device', 'pvpanic'] },
  ] as const;

  it.for(variants)('with %o', async (options) => {
    await using context = await testContext();
    const request = await tinyGuestRequest(join(dir, 'guest,1.img'));
    await using machine = await qemu.launch(request, qemu.options.parse(options), context);
    expect(await greeted(machine, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
  });

  const frozenVariants = [
    [{ tpm: true, diskInterface: 'scsi', cache: 'none' }, 'bios'],
    [{ diskInterface: 'sata', networkModel: 'e1000e', cache: 'writeback', display: 'vnc', discard: false }, 'bios'],
    [{ sandbox: false, watchdog: false, networkModel: 'vmxnet3' }, 'uefi'],
  ] as const;

  it.for(frozenVariants)('can be frozen and continued with %o and %s', async ([options, firmware], { skip }) => {
    await using context = await testContext();
    const { frozen, resume } = await frozenMachine(options, firmware, context, skip);
    expect(frozen.files).toContain(firmware === 'uefi' ? 'vars.fd' : 'machine.json');
    expect(frozen.fingerprint).toMatch(/^\d+\.\d+.*, pc-q35-\S+, \w+ \S+, devices [\da-f]{12}$/);
    await using resumed = await resume();
    expect(await resumed.endpoint(context.signal)).toMatchObject({ host: '127.0.0.1' });
  });

  it('with system credentials, which only their owner can read and a continued machine needs no more', async ({ skip }) => {
    await using context = await testContext();
    const credentials = { 'tmpfiles.extra': 'f+ /etc/secret 0600 root root - opensesame\n' };
    const { resume, whenLaunched } = await frozenMachine({}, 'bios', context, skip, credentials);
    const encoded = Buffer.from(credentials['tmpfiles.extra']).toString('base64');
    expect(whenLaunched.credentials).toEqual([`600 io.systemd.credential.binary:tmpfiles.extra=${encoded}`]);
    for (const shown of [whenLaunched.argv, await readFile(join(context.dirs.logs, 'commands.log'), 'utf8')]) {
      expect(shown).toMatch(/-smbios '?type=11,path=/);
      expect(shown).not.toContain(encoded);
    }
    await using resumed = await resume();
    expect(await resumed.endpoint(context.signal)).toMatchObject({ host: '127.0.0.1' });
  });

  it('can be frozen without the memory where QEMU cannot save a device', async ({ skip }) => {
    await using context = await testContext();
    const { frozen, resume } = await frozenMachine({ diskInterface: 'nvme' }, 'bios', context, skip);
    if (frozen.fingerprint !== undefined) skip('this QEMU can save the state of its NVMe disk');
    expect(frozen.files).toEqual(['disk.qcow2']);
    expect(context.events).toContainEqual({ type: 'log', stream: 'host', line: expect.stringContaining('nvme') as string });
    await expect(resume()).rejects.toMatchObject({ code: 'KIB_RESUME' });
  });

  it('cannot put layers on a disk that lies inside another file', async () => {
    await using context = await testContext();
    const request = await tinyGuestRequest(join(dir, 'guest.img'));
    const layered = { ...request, base: { ...request.base, offset: 512 }, disk: { folder: dir, backing: 'guest.img' } };
    await expect(qemu.launch(layered, defaults, context)).rejects.toMatchObject({ code: 'KIB_DRIVER_CANNOT' });
  });

  /** Mode and content of each. */
  function credentialFiles(folder: string): readonly string[] {
    const paths = filesBelow(folder).filter((path) => /credential-[^/]+$/.test(path));
    return paths.map((name) => {
      const path = join(folder, name);
      return `${(statSync(path).mode & 0o777).toString(8)} ${readFileSync(path, 'utf8')}`;
    });
  }

  async function frozenMachine(
    given: Partial<typeof defaults>,
    firmware: 'bios' | 'uefi',
    context: TestContext,
    skip: (why: string) => void,
    credentials?: LaunchRequest['credentials'],
  ) {
    if (firmware === 'uefi' && !(await hasUefi())) skip('no UEFI firmware is installed');
    const options = qemu.options.parse(given);
    const tiny = await tinyGuestRequest(join(dir, 'guest.img'));
    const machine = { ...tiny.machine, firmware };
    const place = async (name: string, backing: string) => {
      await mkdir(join(dir, name));
      return { folder: join(dir, name), backing };
    };
    const disk = await place('layer', '../guest.img');
    await using launched = await qemu.launch(
      { ...tiny, machine, disk, ...(credentials === undefined ? {} : { credentials }) },
      options,
      context,
    );
    const whenLaunched = { credentials: credentialFiles(context.dirs.work), argv: processesWith(context.buildId).join('\n') };
    if (firmware === 'bios') await greeted(launched, TINY_GUEST_LINES[1]);
    const next = await place('next', '../layer/disk.qcow2');
    const frozen = await launched.freezer?.freeze({ next, memory: true, signal: context.signal });
    const memory = qemu.layers?.memory;
    if (frozen === undefined || memory === undefined) throw new Error('it cannot be frozen');
    return {
      frozen,
      whenLaunched,
      resume: async () =>
        memory.resume(
          { name: 'again', machine, frozen: disk.folder, disk: await place('resumed', '../layer/disk.qcow2') },
          options,
          context,
        ),
    };
  }

  it('with UEFI, whose variables are a copy', async ({ skip }) => {
    if (!(await hasUefi())) skip('no UEFI firmware is installed');
    await using context = await testContext();
    const request = await tinyGuestRequest(join(dir, 'guest.img'));
    const machine = await qemu.launch({ ...request, machine: { ...request.machine, firmware: 'uefi' } }, defaults, context);
    const commands = await readFile(join(context.dirs.logs, 'commands.log'), 'utf8');
    expect(commands).toMatch(/filename=\S+OVMF_CODE\S+,read-only=on/i);
    expect(commands).toContain(`filename=${context.dirs.work}`);
    await machine[Symbol.asyncDispose]();
  });

  it('from a disk that lies inside another file', async () => {
    const request = await tinyGuestRequest(join(dir, 'guest.img'));
    const inside = join(dir, 'inside.bin');
    await writeFile(inside, Buffer.concat([Buffer.alloc(1024, 'x'), tinyGuest(), Buffer.alloc(10_240, 'y')]));
    const base = { path: inside, format: 'raw', offset: 1024, bytes: tinyGuest().length } as const;
    await using context = await testContext();
    await using machine = await qemu.launch({ ...request, base }, defaults, context);
    expect(await greeted(machine, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
  });

  it('know a guest that was ended from one that powered itself off', async () => {
    await using context = await testContext();
    const machine = await qemu.launch(await tinyGuestRequest(join(dir, 'guest.img')), defaults, context);
    // QEMU exits with 0 after this, too.
    process.kill(Number(machine.id.split(' ').at(-1)), 'SIGTERM');
    await expect(machine.exited).rejects.toThrow(/terminating on signal 15/);
    const shutdown = machine.shutdown({ graceMs: 1000, signal: context.signal });
    await expect(shutdown).rejects.toMatchObject({ code: 'KIB_QEMU_EXITED' });
  });

  const failures = [
    [{ binary: 'no-such-qemu' }, {}, 'KIB_QEMU_MISSING', 'no-such-qemu is not installed'],
    [{ binary: '/bin/true' }, {}, 'KIB_QEMU_MISSING', 'does not say that it is QEMU'],
    [{ machineType: 'q36' }, {}, 'KIB_DRIVER_CANNOT', 'no machine type q36'],
    [{ args: ['-no-such-option'] }, {}, 'KIB_QEMU_EXITED', '-no-such-option: invalid option'],
    [{ cpuModel: 'Cray-1', accelerator: 'tcg' }, {}, 'KIB_QEMU_EXITED', 'Cray-1'],
    [{ cpuModel: 'Nehalem' }, { machine: { x86Level: 3 } }, 'KIB_DRIVER_CANNOT', 'needs x86-64-v3'],
    [{}, { machine: { diskBytes: 512 } }, 'KIB_DRIVER_CANNOT', 'wanted a disk of 512 B, but the base already has 1.0 MiB'],
    [{}, { base: { format: 'qcow2' } }, 'KIB_DRIVER_CANNOT', 'cannot be opened as qcow2'],
    [{}, { base: { path: '/no/such/base' } }, 'KIB_DRIVER_CANNOT', 'No such file'],
    [{}, { machine: { arch: 'arm64', firmware: 'bios' } }, 'KIB_DRIVER_CANNOT', 'no BIOS for arm64'],
  ] as const;

  it.for(failures)('fail with %o %o as %s: %s', async ([options, change, code, message]) => {
    await using context = await testContext();
    const request = await tinyGuestRequest(join(dir, 'guest.img'));
    const wrong = {
      ...request,
      machine: { ...request.machine, ...('machine' in change ? change.machine : {}) },
      base: { ...request.base, ...('base' in change ? change.base : {}) },
    };
    const launching = qemu.launch(wrong, qemu.options.parse(options), context);
    await expect(launching).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
    expect(context.journal.held).toEqual([]);
    expect(filesBelow(context.dirs.work)).toEqual([]);
    expect(processesWith(context.buildId)).toEqual([]);
  });
});

async function hasUefi(): Promise<boolean> {
  const findings = await qemu.doctor(defaults, { arch: 'amd64', firmware: 'uefi' }, new AbortController().signal);
  return findings.find(({ name }) => name === 'firmware')?.status === 'ok';
}
