import type { Socket } from 'node:net';
import ssh2, { type Algorithms, type Client } from 'ssh2';
import { type Clock, type Endpoint, type KibError, type Secret, withDeadline } from '../core/index.ts';
import { dialSsh } from './dial.ts';
import { classifySshError, hostKeyMismatch, sshLost } from './errors.ts';
import type { HostKey } from './known-hosts.ts';

/** How to log in to a host that runs a hypervisor: a machine of the user's, not one that a build made. */
export interface HostLogin {
  readonly endpoint: Endpoint;
  readonly username: string;
  /** Private key text without passphrase. */
  readonly privateKey?: Secret;
  /** Socket of an SSH agent. */
  readonly agent?: string;
  /** Given to servers that ask for one, in either way (RFC 4252 §8, RFC 4256). */
  readonly password?: Secret;
  /** What the host may show; any other key is refused. Not empty. */
  readonly hostKeys: readonly HostKey[];
}

const LOGIN_MS = 30_000;
const KEEPALIVE = { keepaliveInterval: 10_000, keepaliveCountMax: 6 };

/** Logs in once. Errors are the guest transport's: KIB_SSH_LOST, KIB_SSH_AUTH, KIB_SSH_HOSTKEY. */
export async function connectClient(
  login: HostLogin,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly connected: Client; readonly socket: Socket }> {
  const { endpoint, username, hostKeys } = login;
  const sock = await dialSsh(endpoint, { signal, clock, timeoutMs: LOGIN_MS });
  const client = new ssh2.Client();
  let verdict: KibError | undefined;
  const ready = () =>
    new Promise<void>((resolve, reject) => {
      client.once('ready', () => resolve());
      client.on('error', (error) => reject(verdict ?? classifySshError(error, endpoint, username)));
      // ESXi asks in this way alone.
      client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) => {
        finish(prompts.map(() => login.password?.reveal() ?? ''));
      });
      client.once('close', () => reject(sshLost(endpoint, 'closed during the login', 'ssh')));
      client.connect({
        sock,
        username,
        ...(login.privateKey === undefined ? {} : { privateKey: login.privateKey.reveal() }),
        ...(login.agent === undefined ? {} : { agent: login.agent }),
        ...(login.password === undefined ? {} : { password: login.password.reveal(), tryKeyboard: true }),
        authHandler: methods(login),
        algorithms: { serverHostKey: algorithms(hostKeys) },
        hostVerifier: (shown: Buffer) => {
          if (hostKeys.some(({ blob }) => shown.equals(blob))) return true;
          verdict = hostKeyMismatch(endpoint, hostKeys[0]?.blob ?? Buffer.alloc(0), shown);
          return false;
        },
        readyTimeout: 0,
        ...KEEPALIVE,
      });
    });
  try {
    const onTimeout = () => sshLost(endpoint, `no login within ${LOGIN_MS} ms`, 'ssh');
    await withDeadline({ ms: LOGIN_MS, clock, signal, onTimeout }, ready);
    return { connected: client, socket: sock };
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** ssh2 throws at a method it has nothing for. */
function methods({ privateKey, agent, password }: HostLogin): ('publickey' | 'agent' | 'password' | 'keyboard-interactive')[] {
  return [
    ...(privateKey === undefined ? [] : ['publickey' as const]),
    ...(agent === undefined ? [] : ['agent' as const]),
    ...(password === undefined ? [] : ['keyboard-interactive' as const, 'password' as const]),
  ];
}

// A server has several keys and shows the one of the first algorithm both know: only those whose key is known here are offered.
function algorithms(keys: readonly HostKey[]): NonNullable<Algorithms['serverHostKey']> {
  const names = keys.flatMap(({ type }) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type]));
  return [...new Set(names)] as NonNullable<Extract<Algorithms['serverHostKey'], readonly unknown[]>>;
}
