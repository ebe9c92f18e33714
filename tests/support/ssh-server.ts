import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import type { Credentials, Endpoint } from '../../src/core/index.ts';
import { generateKeyPair } from '../../src/transport/keys.ts';
import { type SftpFaults, serveSftp } from './sftp-server.ts';

export interface TestSshServer extends AsyncDisposable {
  readonly endpoint: Endpoint;
  /** What gets in. */
  readonly credentials: Credentials;
  /** Folder of this server, in which commands start. */
  readonly dir: string;
  /** Commands run so far. */
  readonly commands: readonly string[];
  /** Connections accepted so far. */
  readonly connections: () => number;
  /** Connections that are open now. */
  readonly openConnections: () => number;
  /** Breaks every connection without a word. */
  drop(): void;
}

export interface TestSshServerOptions extends SftpFaults {
  /** Body of the `sudo` that commands find; default: runs what it is given. */
  readonly sudo?: string;
  /** Keys of somebody else's choice; default: made for this server. */
  /** Whether clients may have ports forwarded to them; default: yes. */
  readonly forwards?: boolean;
  readonly keys?: { readonly hostPrivateKey: string; readonly authorizedKey: string };
}

const SUDO = '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n';

/** An SSH server in this process that really runs commands through sh, in sessions of their own as sshd does, and serves SFTP. */
export async function startSshServer(options: TestSshServerOptions = {}): Promise<TestSshServer> {
  const dir = await mkdtemp(join(tmpdir(), 'kib-ssh-'));
  await writeFile(join(dir, 'sudo'), options.sudo ?? SUDO);
  await chmod(join(dir, 'sudo'), 0o755);
  const login = generateKeyPair('login');
  const host = generateKeyPair('host');
  const authorizedKey = options.keys?.authorizedKey ?? login.publicKey;
  const commands: string[] = [];
  const clients = new Set<Connection>();
  let connections = 0;
  const server = new ssh2.Server({ hostKeys: [options.keys?.hostPrivateKey ?? host.privateKey] }, (client) => {
    connections++;
    clients.add(client);
    // Missing in the types; without it every answer waits for a delayed ACK.
    (client as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
    client.on('error', () => {});
    client.on('close', () => clients.delete(client));
    client.on('authentication', (auth) => {
      const isOurs =
        auth.method === 'publickey' &&
        auth.key.data.toString('base64') === authorizedKey.split(' ')[1] &&
        (auth.signature === undefined || verify(authorizedKey, auth.blob, auth.signature));
      if (isOurs) auth.accept();
      else auth.reject(['publickey']);
    });
    client.on('request', (accept, reject, name, info) => {
      if (name === 'tcpip-forward' && options.forwards !== false)
        listenFor(client, (info as { bindAddr: string }).bindAddr, accept);
      else reject?.();
    });
    client.on('session', (accept) => {
      const session = accept();
      session.on('exec', (acceptExec, _reject, info) => {
        commands.push(info.command);
        const kill = runCommand(info.command, acceptExec(), dir);
        session.on('signal', (acceptSignal, _rejectSignal, { name }) => {
          acceptSignal?.();
          kill(`SIG${name}` as NodeJS.Signals);
        });
      });
      session.on('sftp', (acceptSftp) => serveSftp(acceptSftp(), options));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const drop = () => {
    // ssh2 offers no way to break a connection off; its socket does.
    for (const client of clients) (Reflect.get(client, '_sock') as Socket).destroy();
  };
  return {
    endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    credentials: { username: 'kib', privateKey: login.privateKey, hostKey: host.publicKey },
    dir,
    commands,
    connections: () => connections,
    openConnections: () => clients.size,
    drop,
    async [Symbol.asyncDispose]() {
      drop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Listens on a free port for as long as the client is there. */
function listenFor(client: Connection, address: string, accept: ((port?: number) => void) | undefined): void {
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    const { port } = listener.address() as AddressInfo;
    client.forwardOut(address, port, socket.remoteAddress ?? '', socket.remotePort ?? 0, (error, channel) => {
      if (error !== undefined) return void socket.destroy();
      socket.on('error', () => channel.destroy());
      channel.on('error', () => socket.destroy());
      channel.on('close', () => socket.end());
      socket.pipe(channel).pipe(socket);
    });
  });
  client.on('close', () => listener.close());
  listener.listen(0, address, () => accept?.((listener.address() as AddressInfo).port));
}

function verify(publicKey: string, blob: Buffer | undefined, signature: Buffer): boolean {
  const key = ssh2.utils.parseKey(publicKey);
  return !(key instanceof Error) && blob !== undefined && key.verify(blob, signature);
}

/** Returns what sends a signal to the command and all that it started. */
function runCommand(command: string, channel: ServerChannel, dir: string): (signal: NodeJS.Signals) => void {
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: dir,
    detached: true,
    env: { PATH: `${dir}:/usr/local/bin:/usr/bin:/bin`, HOME: dir, USER: 'kib' },
  });
  channel.pipe(child.stdin);
  child.stdin.on('error', () => {});
  child.stdout.on('data', (chunk) => channel.write(chunk));
  child.stderr.on('data', (chunk) => channel.stderr.write(chunk));
  // As sshd does: a command whose channel is gone is not killed, it only finds its pipes broken.
  channel.on('close', () => {
    child.stdout.destroy();
    child.stderr.destroy();
  });
  child.on('close', (code, signal) => {
    if (code === null) channel.exit(signal ?? 'TERM');
    else channel.exit(code);
    channel.end();
  });
  return (signal) => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, signal);
  };
}
