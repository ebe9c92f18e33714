import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { generateKeyPair } from '../../src/transport/keys.ts';

/** The SSH server of a rig. */
export interface RigSshd {
  readonly port: number;
  readonly keyFile: string;
  readonly hostKey: string;
  /** Its configuration. */
  readonly config: string;
  /** Connections accepted so far. */
  readonly connections: () => number;
  /** Breaks every connection. */
  drop(): void;
  close(): Promise<void>;
}

export interface RigSshdOptions {
  /** Folder for its files, made here. */
  readonly folder: string;
  /** argv that runs a program in the rig's namespaces. */
  readonly inside: readonly [string, ...string[]];
  /** Search path of logins. */
  readonly path: string;
  /** More of its configuration. */
  readonly lines: readonly string[];
}

/**
 * OpenSSH, one process per connection, in the rig's namespaces: what it forwards goes out there. Only the port is of this host's loopback, so
 * that the host's network needs no change.
 */
export async function startRigSshd({ folder, inside, path, lines }: RigSshdOptions): Promise<RigSshd> {
  await mkdir(folder, { recursive: true });
  const [login, host] = [generateKeyPair('rig login'), generateKeyPair('rig host')];
  const keyFile = join(folder, 'id');
  await writeFile(keyFile, login.privateKey, { mode: 0o600 });
  await writeFile(join(folder, 'authorized'), login.publicKey, { mode: 0o600 });
  await writeFile(join(folder, 'host'), host.privateKey, { mode: 0o600 });
  const settings = [
    `HostKey ${join(folder, 'host')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized')}`,
    `SetEnv PATH=${path}`,
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    'PermitRootLogin prohibit-password',
    ...lines,
  ];
  const config = join(folder, 'sshd_config');
  await writeFile(config, `${settings.join('\n')}\n`);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    const [program, ...args] = [...inside, '/usr/sbin/sshd', '-i', '-e', '-f', config] as const;
    const sshd = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    socket.pipe(sshd.stdin);
    sshd.stdout.pipe(socket);
    sshd.stdin.on('error', () => {});
    socket.on('error', () => {});
    socket.once('close', () => {
      sockets.delete(socket);
      sshd.stdin.destroy();
    });
    sshd.once('close', () => socket.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    keyFile,
    hostKey: host.publicKey,
    config,
    connections: () => connections,
    drop,
    async close() {
      drop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
