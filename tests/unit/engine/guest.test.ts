import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KibError, type Sh, sh, systemClock, type Transport } from '../../../src/core/index.ts';
import { Guest } from '../../../src/engine/guest.ts';
import { connectSsh } from '../../../src/transport/ssh.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { scriptedTransport } from '../../support/scripted-transport.ts';
import { startSshServer, type TestSshServer } from '../../support/ssh-server.ts';

const { signal } = new AbortController();

describe('a guest', () => {
  let server: TestSshServer;
  let guest: Guest;
  beforeEach(async () => {
    server = await startSshServer();
    const connect = (signal: AbortSignal) =>
      connectSsh(server.endpoint, server.credentials, { signal, clock: systemClock, readyTimeoutMs: 5000 });
    guest = await Guest.connect({ connect, clock: systemClock, slowness: 1 }, signal);
  });
  afterEach(async () => {
    await guest[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  const run = (script: Sh, options = {}) => guest.run(script, { signal, ...options });

  it('tells both streams and the exit code', async () => {
    expect(await run(sh`printf out; echo err >&2; exit 3`, { okCodes: [3] })).toEqual({
      stdout: 'out',
      stderr: 'err\n',
      exitCode: 3,
    });
  });

  it('throws what a failed script said', async () => {
    await expect(run(sh`echo no such thing >&2; false`)).rejects.toMatchObject({
      code: 'KIB_ACTION_FAILED',
      message: 'a script in the guest exited with 1: no such thing',
    });
  });

  it('throws KIB_ACTION_TIMEOUT for a script over its time', async () => {
    await expect(run(sh`sleep 30`, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'KIB_ACTION_TIMEOUT' });
  });

  it('stops at the first failing command and at unset variables', async () => {
    await expect(run(sh`false; echo on`)).rejects.toMatchObject({ code: 'KIB_ACTION_FAILED' });
    await expect(run(sh`echo "$nothing"`)).rejects.toMatchObject({ code: 'KIB_ACTION_FAILED' });
  });

  it('reads its boot id', async () => {
    expect(await guest.bootId(signal)).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  });

  it('puts files where only root may write, and brings them back', async () => {
    const local = join(server.dir, 'local');
    const remote = join(server.dir, 'remote');
    await writeFile(local, 'payload');
    await guest.upload(local, remote, { signal });
    expect((await stat(remote)).mode & 0o777).toBe(0o644);
    await guest.download(remote, join(server.dir, 'back'), { signal });
    expect(await readFile(join(server.dir, 'back'), 'utf8')).toBe('payload');
  });

  it('stages files and removes them', async () => {
    const local = join(server.dir, 'local');
    await writeFile(local, 'payload');
    const staged = await guest.stage(local, { signal });
    expect(await readFile(staged, 'utf8')).toBe('payload');
    await guest.remove([staged], signal);
    expect(existsSync(staged)).toBe(false);
  });
});

describe('a script', () => {
  it.each([
    [true, '/bin/sh -s'],
    [false, 'sudo -n /bin/sh -s'],
  ])('runs as root, where the login is root’s (%s) without sudo', async (isRoot, command) => {
    const commands: string[] = [];
    const transport = scriptedTransport(() => ({ stdout: '', exitCode: 0 }));
    const exec: Transport['exec'] = (command, options) => {
      commands.push(command);
      return transport.exec(command, options);
    };
    const guest = await Guest.connect(
      { connect: async () => ({ ...transport, isRoot, exec }), clock: systemClock, slowness: 1 },
      signal,
    );
    await guest.run(sh`true`, { signal });
    expect(commands).toEqual([command]);
  });
});

describe('a guest that is rebooted', () => {
  let clock: FakeClock;
  beforeEach(() => {
    clock = new FakeClock();
  });

  /** A machine that is down for a while after the reboot command; `answers` says what meets those who connect at that moment. */
  function rebooting(answers: (msSinceReboot: number) => string | KibError) {
    let rebootedAt: number | undefined;
    const connect = async (): Promise<Transport> => {
      const answer = rebootedAt === undefined ? 'old' : answers(clock.now() - rebootedAt);
      if (answer instanceof KibError) throw answer;
      return scriptedTransport((script) => {
        if (script.includes('systemctl reboot')) rebootedAt = clock.now();
        return { stdout: `${answer}\n`, exitCode: 0 };
      });
    };
    return Guest.connect({ connect, clock, slowness: 1 }, signal);
  }
  const down = new KibError('KIB_SSH_LOST', 'down', { retryable: true });
  const notYet = new KibError('KIB_SSH_AUTH', 'refused');

  it('is back when another boot id answers', async () => {
    const guest = await rebooting((ms) => (ms < 1500 ? 'old' : ms < 20_000 ? down : ms < 22_000 ? notYet : 'new'));
    const started = clock.now();
    await clock.run(guest.reboot({ timeoutMs: 60_000, signal }));
    expect(clock.now() - started).toBeGreaterThanOrEqual(22_000);
    expect(clock.now() - started).toBeLessThan(24_000);
    expect(await guest.bootId(signal)).toBe('new');
  });

  it('is given up at the deadline', async () => {
    const guest = await rebooting((ms) => (ms < 1500 ? 'old' : down));
    await expect(clock.run(guest.reboot({ timeoutMs: 60_000, signal }))).rejects.toMatchObject({
      code: 'KIB_REBOOT_TIMEOUT',
      message: expect.stringMatching(/^the guest did not answer again within .* of its reboot$/) as string,
    });
  });

  it('is not taken for another machine with a foreign host key', async () => {
    const foreign = new KibError('KIB_SSH_HOSTKEY', 'another key');
    const guest = await rebooting(() => foreign);
    await expect(clock.run(guest.reboot({ timeoutMs: 60_000, signal }))).rejects.toMatchObject({ code: 'KIB_SSH_HOSTKEY' });
  });
});
