import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Secret, systemClock } from '../../../src/core/index.ts';
import { countingSignal } from '../../../src/testing/counting-signal.ts';
import { CANCELLED, fuzz } from '../../../src/testing/outcome.ts';
import { SshHost } from '../../../src/transport/host.ts';
import { generateKeyPair } from '../../../src/transport/keys.ts';
import { parsePublicKey } from '../../../src/transport/known-hosts.ts';
import { startSshServer, type TestSshServer } from '../../support/ssh-server.ts';

const never = new AbortController().signal;

function login(server: TestSshServer, changes: { readonly key?: string; readonly hostKey?: string } = {}): SshHost {
  const { username, privateKey, hostKey } = server.credentials;
  const pinned = parsePublicKey(changes.hostKey ?? hostKey);
  if (pinned === undefined) throw new Error('no key');
  const key = new Secret('key', changes.key ?? privateKey);
  return new SshHost({ endpoint: server.endpoint, username, privateKey: key, hostKeys: [pinned] }, systemClock);
}

describe('a login to a hypervisor’s host', () => {
  it('runs programs by their words, and tells how they ended', async () => {
    await using server = await startSshServer();
    await using host = login(server);
    expect(await host.run(['printf', '%s|', 'a b', "c'd", '$HOME'], { signal: never })).toEqual({
      stdout: "a b|c'd|$HOME|",
      stderr: '',
      exitCode: 0,
    });
    expect(await host.run(['sh', '-c', 'echo no >&2; exit 3'], { signal: never })).toMatchObject({ stderr: 'no\n', exitCode: 3 });
    expect(server.connections()).toBe(1);
  });

  it('hands over input and output as streams', async () => {
    await using server = await startSshServer();
    await using host = login(server);
    const bytes = Buffer.alloc(3_000_000, 'kib');
    const output = new PassThrough();
    const seen: Buffer[] = [];
    output.on('data', (chunk: Buffer) => seen.push(chunk));
    await host.run(['cat'], { signal: never, input: Readable.from([bytes]), output });
    expect(Buffer.concat(seen).equals(bytes)).toBe(true);
  });

  it('connects anew when the connection was lost', async () => {
    await using server = await startSshServer();
    await using host = login(server);
    await host.run(['true'], { signal: never });
    server.drop();
    expect(await host.run(['echo', 'again'], { signal: never })).toMatchObject({ stdout: 'again\n' });
    expect(server.connections()).toBe(2);
  });

  it('says so when the connection breaks under a program', async () => {
    await using server = await startSshServer();
    await using host = login(server);
    const running = host.run(['sleep', '60'], { signal: never });
    while (server.commands.length === 0) await systemClock.sleep(10);
    server.drop();
    await expect(running).rejects.toMatchObject({ code: 'KIB_HOST_UNREACHABLE', retryable: true });
  });

  it('ends what runs when it is aborted', async () => {
    await using server = await startSshServer();
    await using host = login(server);
    const abort = new AbortController();
    await writeFile(join(server.dir, 'x'), '');
    const running = host.run(['sleep', '60'], { signal: abort.signal });
    while (server.commands.length === 0) await systemClock.sleep(10);
    abort.abort(new Error('enough'));
    await expect(running).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    await expect(host.run(['true'], { signal: abort.signal })).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await host.run(['true'], { signal: never })).toMatchObject({ exitCode: 0 });
  });

  it('waits for the end of what it started, at whichever step it is aborted', async () => {
    await using server = await startSshServer();
    const aborted = await fuzz(
      (step) => ({ signal: countingSignal(step) }),
      async ({ buildId, signal }) => {
        await using host = login(server);
        try {
          await host.run(['sh', '-c', 'sleep 1; exit', buildId], { signal });
        } finally {
          // For what nobody waited for.
          await systemClock.sleep(200);
        }
      },
    );
    expect(server.commands.length).toBeGreaterThan(1);
    expect(aborted.length).toBeGreaterThan(2);
    for (const outcome of aborted) expect(outcome).toEqual(CANCELLED);
  });

  it('refuses another host key, and names a refused login', async () => {
    await using server = await startSshServer();
    await using stranger = login(server, { hostKey: generateKeyPair('x').publicKey });
    await expect(stranger.run(['true'], { signal: never })).rejects.toMatchObject({ code: 'KIB_HOST_KEY' });
    await using nobody = login(server, { key: generateKeyPair('y').privateKey });
    await expect(nobody.run(['true'], { signal: never })).rejects.toMatchObject({ code: 'KIB_HOST_AUTH' });
    expect(server.commands).toEqual([]);
  });

  it('cannot reach a port that nobody listens on', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    listener.close();
    await once(listener, 'close');
    await expect(
      new Promise((resolve, reject) => connect(port, '127.0.0.1', () => resolve('open')).on('error', reject)),
    ).rejects.toThrow();
    await using server = await startSshServer();
    const pinned = parsePublicKey(server.credentials.hostKey);
    await using host = new SshHost(
      { endpoint: { host: '127.0.0.1', port }, username: 'kib', hostKeys: pinned === undefined ? [] : [pinned] },
      systemClock,
    );
    await expect(host.run(['true'], { signal: never })).rejects.toMatchObject({ code: 'KIB_HOST_UNREACHABLE' });
  });
});
