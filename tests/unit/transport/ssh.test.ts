import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Endpoint, systemClock } from '../../../src/core/index.ts';
import { sshServerSeen } from '../../../src/transport/errors.ts';
import { generateKeyPair } from '../../../src/transport/keys.ts';
import { connectSsh } from '../../../src/transport/ssh.ts';
import { startSshServer } from '../../support/ssh-server.ts';

const never = new AbortController().signal;
const options = { signal: never, clock: systemClock, readyTimeoutMs: 5000 };
const someCredentials = { username: 'kib', privateKey: generateKeyPair('a').privateKey, hostKey: generateKeyPair('b').publicKey };
const rejection = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a reverse tunnel', () => {
  it('brings connections of the guest here, and their bytes both ways', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const port = await ssh.reverse?.((stream) => void stream.pipe(stream), never);
    const socket = connect({ host: '127.0.0.1', port: port ?? 0 });
    const sent = Buffer.alloc(3_000_000, 'kib');
    const back: Buffer[] = [];
    const ended = new Promise((resolve) => socket.on('data', (chunk) => back.push(chunk)).on('end', resolve));
    socket.end(sent);
    await ended;
    expect(Buffer.concat(back).equals(sent)).toBe(true);
  });

  it('is none where the server does not allow it', async () => {
    await using server = await startSshServer({ forwards: false });
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    expect(await ssh.reverse?.(() => {}, never)).toBeUndefined();
  });

  it('that a lost connection cuts short is an error', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    server.drop();
    await ssh.closed;
    await expect(ssh.reverse?.(() => {}, never)).rejects.toMatchObject({ code: 'KIB_SSH_LOST' });
  });
});

describe('connectSsh', () => {
  it('runs commands and tells both streams and the exit code', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const out = { stdout: '', stderr: '' };
    const end = await ssh.exec('cat; echo oops >&2; exit 3', {
      stdin: 'hello',
      signal: never,
      onStdout: (chunk) => (out.stdout += chunk),
      onStderr: (chunk) => (out.stderr += chunk),
    });
    expect(end).toEqual({ exitCode: 3, signal: undefined });
    expect(out).toEqual({ stdout: 'hello', stderr: 'oops\n' });
  });

  it('tells the signal that ended a command', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    expect(await ssh.exec('kill -KILL $$', { signal: never })).toEqual({ exitCode: undefined, signal: 'SIGKILL' });
  });

  it('carries a megabyte of standard input', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    let count = '';
    await ssh.exec('wc -c', { stdin: 'x'.repeat(1 << 20), signal: never, onStdout: (chunk) => (count += chunk) });
    expect(count.trim()).toBe(String(1 << 20));
  });

  it('refuses any host key but the pinned one', async () => {
    await using server = await startSshServer();
    const credentials = { ...server.credentials, hostKey: generateKeyPair('other').publicKey };
    const error = await rejection(connectSsh(server.endpoint, credentials, options));
    expect(error).toMatchObject({ code: 'KIB_SSH_HOSTKEY', retryable: false });
    expect(sshServerSeen(error)).toBe(true);
  });

  it('says when the key is refused', async () => {
    await using server = await startSshServer();
    const credentials = { ...server.credentials, privateKey: generateKeyPair('other').privateKey };
    const error = await rejection(connectSsh(server.endpoint, credentials, options));
    expect(error).toMatchObject({ code: 'KIB_SSH_AUTH', retryable: false });
  });

  it('says when nothing listens', async () => {
    const server = await listen(() => {});
    await server[Symbol.asyncDispose]();
    const error = await rejection(connectSsh(server.endpoint, someCredentials, options));
    expect(error).toMatchObject({ code: 'KIB_SSH_LOST', retryable: true });
    expect(sshServerSeen(error)).toBe(false);
  });

  it.each([
    ['closes at once', '', false],
    ['is no SSH server', 'HTTP/1.1 400 Bad Request\r\n', false],
    ['penalises this source', 'Not allowed at this time\r\n', true],
    ['breaks off after its greeting', 'SSH-2.0-OpenSSH_10.0\r\n', true],
  ])('tells a port that %s', async (_, greeting, isSsh) => {
    await using server = await listen((socket) => socket.end(greeting));
    const { endpoint } = server;
    const error = await rejection(connectSsh(endpoint, someCredentials, options));
    expect(error).toMatchObject({ code: 'KIB_SSH_LOST', retryable: true });
    expect(sshServerSeen(error)).toBe(isSsh);
  });

  it('gives up on a port that stays silent', async () => {
    await using server = await listen(() => {});
    const { endpoint } = server;
    const attempt = connectSsh(endpoint, someCredentials, { ...options, greetingTimeoutMs: 50 });
    expect(await rejection(attempt)).toMatchObject({ code: 'KIB_SSH_LOST', message: expect.stringContaining('50 ms') });
  });

  it('stops connecting when aborted', async () => {
    await using server = await listen(() => {});
    const { endpoint } = server;
    const controller = new AbortController();
    const attempt = connectSsh(endpoint, someCredentials, { ...options, signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await rejection(attempt)).toMatchObject({ code: 'KIB_CANCELLED', message: 'interrupted: enough' });
  });
});

describe('a transport', () => {
  it('closes the channel when a command is aborted, and stays usable', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const controller = new AbortController();
    const hung = ssh.exec('echo on; exec sleep 2', {
      signal: controller.signal,
      onStdout: () => controller.abort(new Error('enough')),
    });
    expect(await rejection(hung)).toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await ssh.exec('true', { signal: never })).toMatchObject({ exitCode: 0 });
  });

  it('rejects what is under way and what comes later once the connection is gone', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const hung = ssh.exec('echo on; exec sleep 2', { signal: never, onStdout: () => server.drop() });
    expect(await rejection(hung)).toMatchObject({ code: 'KIB_SSH_LOST', retryable: true });
    await ssh.closed;
    expect(await rejection(ssh.exec('true', { signal: never }))).toMatchObject({ code: 'KIB_SSH_LOST' });
  });

  it('resolves closed without a reason when it was disposed', async () => {
    await using server = await startSshServer();
    const ssh = await connectSsh(server.endpoint, server.credentials, options);
    await ssh[Symbol.asyncDispose]();
    expect(await ssh.closed).toBeUndefined();
  });
});

describe('transfers', () => {
  it.each([0, 1, 32_768, 3_000_001])('carry %i bytes there and back', async (bytes) => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const local = join(server.dir, 'local');
    await writeFile(local, Buffer.alloc(bytes, 'kib'));
    const seen: number[] = [];
    await ssh.upload(local, join(server.dir, "it's there"), { signal: never, onProgress: (done) => seen.push(done) });
    await ssh.download(join(server.dir, "it's there"), join(server.dir, 'back'), { signal: never });
    expect((await readFile(join(server.dir, 'back'))).equals(await readFile(local))).toBe(true);
    expect(seen.at(-1) ?? 0).toBe(bytes);
  });

  it('notice a file that arrived differently', async () => {
    await using server = await startSshServer({ corruptWrites: true });
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const local = join(server.dir, 'local');
    await writeFile(local, 'payload');
    const upload = ssh.upload(local, join(server.dir, 'remote'), { signal: never });
    expect(await rejection(upload)).toMatchObject({ code: 'KIB_TRANSFER', message: expect.stringContaining('differ') });
  });

  it('say which file could not be written', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const local = join(server.dir, 'local');
    await writeFile(local, 'payload');
    const error = await rejection(ssh.upload(local, '/no/such/folder/file', { signal: never }));
    expect(error).toMatchObject({ code: 'KIB_TRANSFER', message: expect.stringContaining('/no/such/folder/file') });
  });

  it('stop when aborted', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const local = join(server.dir, 'local');
    await writeFile(local, Buffer.alloc(20_000_000));
    const controller = new AbortController();
    const upload = ssh.upload(local, join(server.dir, 'remote'), {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    expect(await rejection(upload)).toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await ssh.exec('true', { signal: never })).toMatchObject({ exitCode: 0 });
  });

  it('fail when the connection breaks', async () => {
    await using server = await startSshServer();
    await using ssh = await connectSsh(server.endpoint, server.credentials, options);
    const local = join(server.dir, 'local');
    await writeFile(local, Buffer.alloc(20_000_000));
    const upload = ssh.upload(local, join(server.dir, 'remote'), { signal: never, onProgress: () => server.drop() });
    expect(await rejection(upload)).toMatchObject({ code: 'KIB_SSH_LOST' });
  });
});

/** A TCP server that does with each connection as told. */
async function listen(onSocket: (socket: Socket) => void): Promise<AsyncDisposable & { readonly endpoint: Endpoint }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
