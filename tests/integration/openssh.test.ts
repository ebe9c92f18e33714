import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Credentials, type PlannedAction, sh, systemClock } from '../../src/core/index.ts';
import { executeActions } from '../../src/engine/execute.ts';
import { Guest } from '../../src/engine/guest.ts';
import { generateKeyPair } from '../../src/transport/keys.ts';
import { connectSsh } from '../../src/transport/ssh.ts';
import { endsSoon, eventually } from '../support/process-state.ts';
import { canRunSshd, type Sshd, startSshd } from '../support/sshd.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

describe.skipIf(!canRunSshd)('a real OpenSSH server (needs openssh-server, and root)', () => {
  let context: TestContext;
  let sshd: Sshd;
  let credentials: Credentials;
  let guest: Guest;

  beforeEach(async () => {
    context = await testContext();
    sshd = await startSshd(context.root);
    credentials = sshd.credentials;
    guest = await Guest.connect({ connect: login, clock: systemClock, slowness: 1 }, context.signal);
  });
  const login = (signal: AbortSignal) =>
    connectSsh(sshd.endpoint, credentials, { signal, clock: systemClock, readyTimeoutMs: 10_000 });
  afterEach(async () => {
    await guest[Symbol.asyncDispose]();
    await sshd[Symbol.asyncDispose]();
    await context[Symbol.asyncDispose]();
  });

  const exec = (script: ReturnType<typeof sh>): PlannedAction => ({
    kind: 'exec',
    id: 'test/1',
    recipe: 'test',
    title: 'a step',
    script,
    timeoutMs: 60_000,
  });
  const logged = () => context.events.flatMap((event) => (event.type === 'log' ? [event.line] : []));

  it('reads our key pairs as ssh-keygen would', async () => {
    const { status, stdout } = spawnSync('ssh-keygen', ['-y', '-f', join(context.root, 'host')], { encoding: 'utf8' });
    expect([status, stdout.trim()]).toEqual([0, credentials.hostKey]);
  });

  it('refuses another host key and another login key', async () => {
    const options = { signal: context.signal, clock: systemClock, readyTimeoutMs: 10_000 };
    const foreign = generateKeyPair('foreign');
    await expect(connectSsh(sshd.endpoint, { ...credentials, hostKey: foreign.publicKey }, options)).rejects.toMatchObject({
      code: 'KIB_SSH_HOSTKEY',
    });
    await expect(connectSsh(sshd.endpoint, { ...credentials, privateKey: foreign.privateKey }, options)).rejects.toMatchObject({
      code: 'KIB_SSH_AUTH',
    });
  });

  it('runs actions, and carries files both ways', async () => {
    await executeActions(guest, [exec(sh`echo one; echo two >&2`)], { files: new Map(), context });
    expect(logged()).toEqual(['one', 'two']);
    const local = join(context.root, 'local');
    await writeFile(local, Buffer.alloc(10_000_000, 'kib'));
    await guest.upload(local, join(context.root, 'there'), { signal: context.signal });
    await guest.download(join(context.root, 'there'), join(context.root, 'back'), { signal: context.signal });
    expect(spawnSync('cmp', [local, join(context.root, 'back')]).status).toBe(0);
  });

  it('ends in the guest what was aborted here', async () => {
    const work = executeActions(guest, [exec(sh`sleep 4711 & echo $!; wait`)], { files: new Map(), context });
    work.catch(() => {});
    await eventually(() => logged().length > 0);
    context.abort(new Error('enough'));
    await expect(work).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await endsSoon(Number(logged()[0]))).toBe(true);
  });

  it('ends even an action that ignores SIGTERM', async () => {
    const work = executeActions(guest, [exec(sh`trap '' TERM; echo $$; while :; do sleep 1; done`)], {
      files: new Map(),
      context,
    });
    work.catch(() => {});
    await eventually(() => logged().length > 0);
    context.abort(new Error('enough'));
    await expect(work).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await endsSoon(Number(logged()[0]))).toBe(true);
  });

  it('names the action the server went away in', async () => {
    const work = executeActions(guest, [exec(sh`echo on; sleep 30`)], { files: new Map(), context });
    work.catch(() => {});
    await eventually(() => logged().length > 0);
    // The session's own process; the listening one only takes new connections.
    spawnSync('pkill', ['-TERM', '-P', String(sshd.process.pid)]);
    await expect(work).rejects.toMatchObject({ code: 'KIB_SSH_LOST', message: expect.stringContaining('test/1 (a step)') });
  });
});
