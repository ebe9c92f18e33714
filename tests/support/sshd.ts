import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Credentials, Endpoint } from '../../src/core/index.ts';
import { generateKeyPair } from '../../src/transport/keys.ts';
import { eventually } from './process-state.ts';

const SSHD = '/usr/sbin/sshd';

/** The scripts run as root through sudo; a root user without sudo gets a stand-in. */
export const canRunSshd = existsSync(SSHD) && userInfo().uid === 0;

export interface Sshd extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
  /** Private key of the host, OpenSSH format. */
  readonly hostKey: string;
  /** Resolves with what it had to say. */
  readonly exited: Promise<string>;
}

/** A real OpenSSH server that keeps its files in `dir`; `lines` are more of its configuration. */
export async function startSshd(dir: string, lines: readonly string[] = []): Promise<Sshd> {
  const account = generateKeyPair('login');
  const host = generateKeyPair('host');
  await mkdir('/run/sshd', { recursive: true });
  await writeFile(join(dir, 'host'), host.privateKey, { mode: 0o600 });
  await writeFile(join(dir, 'authorized'), account.publicKey, { mode: 0o600 });
  await mkdir(join(dir, 'bin'), { recursive: true });
  await writeFile(join(dir, 'bin', 'sudo'), '#!/bin/sh\nshift\nexec "$@"\n', { mode: 0o755 });
  const credentials = { username: userInfo().username, privateKey: account.privateKey, hostKey: host.publicKey };
  return { ...(await listen(dir, lines)), credentials, hostKey: host.privateKey };
}

/** Starts it on a free port; another one when somebody took it in the meantime. */
async function listen(dir: string, lines: readonly string[], attempts = 3): Promise<Omit<Sshd, 'credentials' | 'hostKey'>> {
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
    ...lines,
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
  const dispose = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  if (isReady) return { process: child, endpoint, exited, [Symbol.asyncDispose]: dispose };
  if (attempts === 1) throw new Error(`sshd ended: ${said}`);
  return listen(dir, lines, attempts - 1);
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
