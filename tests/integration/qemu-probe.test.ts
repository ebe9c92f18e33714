import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judgeHardware } from '../../drivers/qemu/accel.ts';
import { inspectQemu } from '../../drivers/qemu/host.ts';
import { qemuOptionsSchema } from '../../drivers/qemu/options.ts';
import { smokeBoot } from '../../drivers/qemu/probe/smoke-boot.ts';
import { systemClock } from '../../src/core/index.ts';
import { probeImage } from '../../src/io/probe-guest/images.ts';
import { run } from '../../src/io/process.ts';
import { findProgram } from '../../src/io/programs.ts';
import { connectQmp } from '../../src/io/qmp.ts';
import { tinyGuest } from '../support/tiny-guest.ts';

const { signal } = new AbortController();
const options = qemuOptionsSchema.parse({});

describe('the accelerator probe', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-probe-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const sources = [
    ['src/io/probe-guest/amd64.S', () => probeImage('amd64')],
    ['src/testing/tiny-guest.S', () => tinyGuest()],
  ] as const;

  it.for(sources)('%s assembles to the bytes that are used', async ([source, bytes], { skip }) => {
    if ((await findProgram('as')) === undefined) skip('binutils are not installed');
    const path = fileURLToPath(new URL(`../../${source}`, import.meta.url));
    await run('as', ['-o', join(dir, 'a.o'), path], { signal });
    const link = ['-m', 'elf_x86_64', '-Ttext', '0x7c00', '-e', 'start', '--oformat', 'binary', '-o', join(dir, 'a.img')];
    await run('ld', [...link, join(dir, 'a.o')], { signal });
    expect(
      bytes()
        .subarray(0, 512)
        .equals(await readFile(join(dir, 'a.img'))),
    ).toBe(true);
  });

  it('its guest gets to its end on an accelerator that works: emulation', async () => {
    const qemu = await inspectQemu('amd64', options, signal);
    const boot = {
      qemu: qemu.path,
      arch: 'amd64',
      accelerator: 'tcg',
      cpu: 'max',
      image: join(dir, 'probe.img'),
      signal,
    } as const;
    expect(await smokeBoot(boot)).toEqual({ usable: true });
    expect(await smokeBoot({ ...boot, cpu: 'no-such-model' })).toMatchObject({
      usable: false,
      reason: expect.stringContaining('no-such-model') as string,
    });
    expect(await readdir(dir)).toEqual([]);
  });

  it('judges KVM within seconds, whatever this host can do', async () => {
    const qemu = await inspectQemu('amd64', options, signal);
    const started = systemClock.now();
    const request = {
      machine: { arch: 'amd64', x86Level: 1 },
      options,
      qemu,
      makeFolder: () => Promise.resolve(dir),
      signal,
    } as const;
    const verdict = await judgeHardware('kvm', request);
    expect(systemClock.now() - started).toBeLessThan(6000);
    expect(verdict.usable || verdict.reason !== '').toBe(true);
    expect(await readdir(dir)).toEqual([]);
  });

  it('ends with the build', async () => {
    const qemu = await inspectQemu('amd64', options, signal);
    const abort = new AbortController();
    const boot = {
      qemu: qemu.path,
      arch: 'amd64',
      accelerator: 'tcg',
      cpu: 'max',
      image: join(dir, 'probe.img'),
      signal: abort.signal,
    } as const;
    const booting = smokeBoot(boot);
    abort.abort(new Error('enough'));
    await expect(booting).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await readdir(dir)).toEqual([]);
  });

  it('QMP talks to a real QEMU', async () => {
    const qemu = await inspectQemu('amd64', options, signal);
    const socket = join(dir, 's');
    const args = ['-machine', 'none', '-nodefaults', '-display', 'none', '-qmp', `unix:${socket},server=on,wait=off`];
    const running = run(qemu.path, args, { signal });
    await expect.poll(() => readdir(dir)).toEqual(['s']);
    await using qmp = await connectQmp(socket, { clock: systemClock, signal });
    const { qemu: version } = (await qmp.execute('query-version', {}, { signal })) as { readonly qemu: Record<string, number> };
    expect(await qmp.greeted).toBe(`${version['major']}.${version['minor']}.${version['micro']}`);
    await expect(qmp.execute('no-such-command', {}, { signal })).rejects.toMatchObject({
      code: 'KIB_QMP',
      details: { class: 'CommandNotFound' },
    });
    const shutdown = qmp.next('SHUTDOWN', signal);
    await qmp.execute('quit', {}, { signal });
    expect(await shutdown).toMatchObject({ data: { reason: 'host-qmp-quit' } });
    await qmp.closed;
    expect((await running).exitCode).toBe(0);
  });
});
