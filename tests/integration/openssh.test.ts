import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Credentials, type Endpoint, type PlannedAction, sh, systemClock } from '../../src/core/index.ts';
import { executeActions } from '../../src/engine/execute.ts';
import { Guest } from '../../src/engine/guest.ts';
import { generateKeyPair } from '../../src/transport/keys.ts';
import { connectSsh } from '../../src/transport/ssh.ts';
import { endsSoon, eventually } from '../support/process-state.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const SSHD = '/usr/sbin/sshd';
/** The scripts run as root through sudo; a root user without sudo gets a stand-in. */
const isReady = existsSync(SSHD) && userInfo().uid === 0;

describe.skipIf(!isReady)('a real OpenSSH server (needs openssh-server, and root)', () => {
  let context: TestContext;
  let sshd: Sshd;
  let credentials: Credentials;
  let guest: Guest;

  beforeEach(async () => {
    context = await testContext();
    const dir = context.root;
    const account = generateKeyPair('login');
    const host = generateKeyPair('host');
    credentials = { username: userInfo().username, privateKey: account.privateKey, hostKey: host.publicKey };
    await mkdir('/run/sshd', { recursive: true });
    await writeFile(join(dir, 'host'), host.privateKey, { mode: 0o600 });
    await writeFile(join(dir, 'authorized'), account.publicKey, { mode: 0o600 });
    await mkdir(join(dir, 'bin'));
    await writeFile(join(dir, 'bin', 'sudo'), '#!/bin/sh\nshift\nexec "$@"\n', { mode: 0o755 });
    sshd = await startSshd(dir);
    guest = await Guest.connect({ connect: login, clock: systemClock, slowness: 1 }, context.signal);
  });
  const login = (signal: AbortSignal) =>
    connectSsh(sshd.endpoint, credentials, { signal, clock: systemClock, readyTimeoutMs: 10_000 });
  afterEach(async () => {
    await guest[Symbol.asyncDispose]();
    sshd.process.kill('SIGTERM');
    await sshd.exited;
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

interface Sshd {
  readonly process: ChildProcess;
  readonly endpoint: Endpoint;
  /** Resolves with what it had to say. */
  readonly exited: Promise<string>;
}

/** Starts sshd on a free port; another one when somebody took it in the meantime. */
async function startSshd(dir: string, attempts = 3): Promise<Sshd> {
  const endpoint = { host: '127.0.0.1', port: await freePort() };
  const config = [
    `ListenAddress ${endpoint.host}:${endpoint.port}`,
    `HostKey ${join(dir, 'host')}`,
    `AuthorizedKeysFile ${join(dir, 'authorized')}`,
    `SetEnv PATH=${join(dir, 'bin')}:/usr/bin:/bin`,
    'Subsystem sftp internal-sftp',
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin prohibit-password',
  ];
  await writeFile(join(dir, 'sshd_config'), `${config.join('\n')}\n`);
  const child = spawn(SSHD, ['-D', '-e', '-f', join(dir, 'sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += String(chunk)));
  const exited = new Promise<string>((resolve) => {
    child.once('exit', () => resolve(said));
  });
  // sshd says so itself: a connection would also succeed if the port were somebody else's.
  const isReady = await Promise.race([
    eventually(() => said.includes('Server listening')).then(() => true),
    exited.then(() => false),
  ]);
  if (isReady) return { process: child, endpoint, exited };
  if (attempts === 1) throw new Error(`sshd ended: ${said}`);
  return startSshd(dir, attempts - 1);
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}
