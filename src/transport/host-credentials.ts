import { readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type Clock,
  type Endpoint,
  errorMessage,
  KibError,
  Secret,
  type SecretRef,
  systemClock,
  systemCode,
} from '../core/index.ts';
import { readSecret } from '../io/read-secret.ts';
import type { HostLogin } from './host-login.ts';
import { type HostKey, knownHostKeys, parsePublicKey } from './known-hosts.ts';

/** Options of a driver that say how to log in to a hypervisor's host. */
export interface HostLoginOptions {
  /** Private key file; default, without agent and password: the first of ~/.ssh/id_ed25519, id_ecdsa, id_rsa. */
  readonly keyFile?: string | undefined;
  /** Socket of an SSH agent. */
  readonly agent?: string | undefined;
  readonly password?: SecretRef | undefined;
  /** Default: ~/.ssh/known_hosts. */
  readonly knownHosts?: string | undefined;
  /** Instead of a known_hosts file. */
  readonly hostKey?: string | undefined;
}

/** Whom to be where; default: the user of this process. */
export interface HostAccount {
  readonly endpoint: Endpoint;
  readonly username?: string | undefined;
}

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/**
 * Reads key, password and known hosts. Throws KIB_HOST_AUTH with nothing to log in with, KIB_SECRET_MISSING without the password, KIB_HOST_KEY
 * when no key of the host is known.
 */
export async function readHostLogin(
  { endpoint, username }: HostAccount,
  options: HostLoginOptions,
  wait: { readonly clock: Clock; readonly signal: AbortSignal } = { clock: systemClock, signal: new AbortController().signal },
): Promise<HostLogin> {
  const privateKey = await readKey(options);
  const password = options.password === undefined ? undefined : await readSecret(options.password, wait);
  return {
    endpoint,
    username: username ?? userInfo().username,
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(password === undefined ? {} : { password }),
    ...(options.agent === undefined ? {} : { agent: resolve(options.agent) }),
    hostKeys: await readHostKeys(endpoint, options),
  };
}

/** Options whose paths no longer depend on the folder this process is in. */
export function absoluteLogin<T extends HostLoginOptions>(options: T): T {
  const { keyFile, agent, knownHosts, password } = options;
  return {
    ...options,
    ...(keyFile === undefined ? {} : { keyFile: expand(keyFile) }),
    ...(agent === undefined ? {} : { agent: resolve(agent) }),
    ...(knownHosts === undefined ? {} : { knownHosts: expand(knownHosts) }),
    ...(password === undefined || !('file' in password) ? {} : { password: { file: resolve(password.file) } }),
  };
}

async function readKey({ keyFile, agent, password }: HostLoginOptions): Promise<Secret | undefined> {
  if (keyFile === undefined && (agent !== undefined || password !== undefined)) return undefined;
  const paths = keyFile === undefined ? DEFAULT_KEYS.map((name) => join(homedir(), '.ssh', name)) : [expand(keyFile)];
  for (const path of paths) {
    try {
      return new Secret(`SSH key ${path}`, await readFile(path, 'utf8'));
    } catch (error) {
      if (keyFile === undefined && systemCode(error) === 'ENOENT') continue;
      throw new KibError('KIB_HOST_AUTH', `the private key cannot be read: ${errorMessage(error)}`, {
        hint: 'set keyFile, or agent, of the driver',
        cause: error,
      });
    }
  }
  throw new KibError('KIB_HOST_AUTH', `no private key to log in with: none of ${paths.join(', ')} is there`, {
    hint: 'set keyFile, or agent, of the driver',
  });
}

async function readHostKeys(endpoint: Endpoint, options: HostLoginOptions): Promise<readonly HostKey[]> {
  const pinned = options.hostKey === undefined ? undefined : parsePublicKey(options.hostKey);
  if (pinned !== undefined) return [pinned];
  const path = options.knownHosts === undefined ? join(homedir(), '.ssh/known_hosts') : expand(options.knownHosts);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return '';
    throw new KibError('KIB_HOST_KEY', `the known_hosts file cannot be read: ${errorMessage(error)}`, { cause: error });
  });
  const keys = knownHostKeys(text, endpoint);
  if (keys.length > 0) return keys;
  throw new KibError(
    'KIB_HOST_KEY',
    `${path} has no key of ${endpoint.host}:${endpoint.port}, and an unknown host is never trusted`,
    {
      hint: `compare what ssh-keyscan -p ${endpoint.port} ${endpoint.host} prints with the host's own keys, then add it to ${path} or set hostKey`,
    },
  );
}

function expand(path: string): string {
  return resolve(path.startsWith('~/') ? join(homedir(), path.slice(2)) : path);
}
