import { type SpawnOptions, spawn } from 'node:child_process';
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { qemu } from '../../drivers/qemu/driver.ts';
import { collectGarbage } from '../../src/engine/gc.ts';
import { convert } from '../../src/io/qemu-img.ts';
import { filesBelow, listeningPorts, processesWith } from '../support/leftovers.ts';
import { TINY_GUEST_LINES, tinyGuest, tinyGuestRequest } from '../support/tiny-guest.ts';
import { describeDriver } from './describe-driver.ts';

describeDriver({
  driver: qemu,
  options: qemu.options.parse({}),
  guest: async (dir) => tinyGuestRequest(join(dir, 'guest.img')),
  deafGuest: async (dir) => tinyGuestRequest(join(dir, 'deaf.img'), { deaf: true }),
  greeting: TINY_GUEST_LINES[1],
  hasWritten: async (disk, dir) => {
    const target = join(dir, 'sealed.img');
    await convert({ source: disk, target, targetFormat: 'raw', signal: new AbortController().signal });
    const sealed = await readFile(target);
    // It copies its boot sector to the second sector.
    return (
      sealed.subarray(0, 512).equals(tinyGuest().subarray(0, 512)) &&
      sealed.subarray(512, 1024).includes(TINY_GUEST_LINES[0]) &&
      sealed.subarray(1024).every((byte) => byte === 0)
    );
  },
  kill: (machine) => process.kill(Number(machine.id.split(' ').at(-1)), 'SIGKILL'),
});

describe('a process that runs a machine', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'kib-process-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  function start(build: string, mode: 'run' | 'wait', options: SpawnOptions = {}) {
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

  it('leaves after kill -9 what gc finds and removes', async () => {
    const build = `killed-${process.pid}`;
    const { child, said, ended } = start(build, 'wait');
    const { port } = await said();
    const gc = () => collectGarbage({ stateHome: root, drivers: [qemu], dryRun: false, signal: new AbortController().signal });
    expect((await gc()).builds).toMatchObject([{ id: build, status: 'running' }]);
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    // The machine and its TPM are in a session of their own.
    expect(processesWith(build)).toHaveLength(2);
    expect(listeningPorts()).toContain(port);
    const report = await gc();
    expect(report.builds).toMatchObject([{ id: build, status: 'collected' }]);
    expect(processesWith(build)).toEqual([]);
    expect(listeningPorts()).not.toContain(port);
    expect(filesBelow(join(root, 'work'))).toEqual([]);
    expect(filesBelow(root).filter((name) => name.endsWith('.sock') || name.endsWith('.pid'))).toEqual([]);
    expect((await gc()).builds).toMatchObject([{ id: build, status: 'clean' }]);
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
