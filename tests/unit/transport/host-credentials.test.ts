import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/index.ts';
import { SshHost } from '../../../src/transport/host.ts';
import { absoluteLogin, readHostLogin } from '../../../src/transport/host-credentials.ts';
import { generateKeyPair } from '../../../src/transport/keys.ts';

const never = new AbortController().signal;

describe('a login by password', () => {
  let dir: string;
  let server: Server | undefined;
  const host = generateKeyPair('host');
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-login-'));
    await writeFile(join(dir, 'password'), 'open sesame\n');
    await writeFile(join(dir, 'wrong'), 'open barley\n');
  });
  afterEach(async () => {
    server?.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** Takes one password, in one of the two ways; ESXi only knows the first. */
  async function listen(way: 'keyboard-interactive' | 'password'): Promise<number> {
    const ssh = new ssh2.Server({ hostKeys: [host.privateKey] }, (client) => {
      client.on('error', () => {});
      client.on('authentication', (auth) => {
        if (auth.method !== way) auth.reject([way]);
        else if (auth.method === 'password') {
          if (auth.password === 'open sesame') auth.accept();
          else auth.reject([way]);
        } else if (auth.method === 'keyboard-interactive') {
          auth.prompt([{ prompt: 'Password: ', echo: false }], (answers) => {
            if (answers[0] === 'open sesame') auth.accept();
            else auth.reject([way]);
          });
        }
      });
      client.on('session', (accept) => {
        accept().on('exec', (acceptExec) => {
          const channel = acceptExec();
          channel.write('in\n');
          channel.exit(0);
          channel.end();
        });
      });
    });
    server = createServer((socket) => ssh.injectSocket(socket));
    await new Promise<void>((resolve) => {
      server?.listen(0, '127.0.0.1', resolve);
    });
    return (server.address() as AddressInfo).port;
  }

  it.each(['keyboard-interactive', 'password'] as const)('works where the server asks by %s', async (way) => {
    const endpoint = { host: '127.0.0.1', port: await listen(way) };
    const options = { password: { file: join(dir, 'password') }, hostKey: host.publicKey };
    await using login = new SshHost(await readHostLogin({ endpoint, username: 'root' }, options), systemClock);
    expect(await login.run(['true'], { signal: never })).toMatchObject({ stdout: 'in\n', exitCode: 0 });
    const wrong = { ...options, password: { file: join(dir, 'wrong') } };
    await using refused = new SshHost(await readHostLogin({ endpoint, username: 'root' }, wrong), systemClock);
    const failure = refused.run(['true'], { signal: never });
    await expect(failure).rejects.toMatchObject({ code: 'KIB_HOST_AUTH' });
    await failure.catch((error: unknown) => expect(JSON.stringify(error)).not.toContain('barley'));
  });

  it('says what cannot be read', async () => {
    const endpoint = { host: 'h', port: 22 };
    const password = { env: 'KIB_TEST_NO_SUCH' };
    await expect(readHostLogin({ endpoint }, { password, hostKey: host.publicKey })).rejects.toMatchObject({
      code: 'KIB_SECRET_MISSING',
      message: expect.stringContaining('KIB_TEST_NO_SUCH is not set') as string,
    });
    await writeFile(join(dir, 'empty'), '\n');
    const empty = { password: { file: join(dir, 'empty') }, hostKey: host.publicKey };
    await expect(readHostLogin({ endpoint }, empty)).rejects.toThrow('is empty');
    const command = { password: { command: ['sh', '-c', 'exit 3', 'hidden'] }, hostKey: host.publicKey };
    await expect(readHostLogin({ endpoint }, command)).rejects.toThrow('cannot read a secret: what sh prints');
    const unknown = { password: { file: join(dir, 'password') }, knownHosts: join(dir, 'none') };
    await expect(readHostLogin({ endpoint }, unknown)).rejects.toMatchObject({ code: 'KIB_HOST_KEY' });
  });

  it('can be kept as paths that hold anywhere', () => {
    expect(absoluteLogin({ password: { file: 'p' }, knownHosts: 'k', agent: '/run/agent' })).toEqual({
      password: { file: `${process.cwd()}/p` },
      knownHosts: `${process.cwd()}/k`,
      agent: '/run/agent',
    });
    expect(absoluteLogin({ password: { env: 'P' } })).toEqual({ password: { env: 'P' } });
  });
});
