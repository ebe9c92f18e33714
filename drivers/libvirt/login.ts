import { readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { type Endpoint, errorMessage, KibError, Secret, systemCode } from '../../src/core/index.ts';
import type { HostLogin } from '../../src/transport/host-login.ts';
import { type HostKey, knownHostKeys, parsePublicKey } from '../../src/transport/known-hosts.ts';
import type { ConnectionOptions } from './options.ts';
import type { LibvirtUri } from './uri.ts';

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** Reads key and known hosts. Throws KIB_HOST_AUTH without a key, KIB_HOST_KEY when no key of the host is known. */
export async function readLogin(ssh: NonNullable<LibvirtUri['ssh']>, options: ConnectionOptions): Promise<HostLogin> {
  const privateKey = await readKey(options);
  return {
    endpoint: ssh.endpoint,
    username: ssh.username ?? userInfo().username,
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(options.agent === undefined ? {} : { agent: resolve(options.agent) }),
    hostKeys: await readHostKeys(ssh.endpoint, options),
  };
}

/** Options whose paths no longer depend on the folder this process is in. */
export function absolute(options: ConnectionOptions): ConnectionOptions {
  const { keyFile, agent, knownHosts } = options;
  return {
    ...options,
    ...(keyFile === undefined ? {} : { keyFile: expand(keyFile) }),
    ...(agent === undefined ? {} : { agent: resolve(agent) }),
    ...(knownHosts === undefined ? {} : { knownHosts: expand(knownHosts) }),
  };
}

async function readKey({ keyFile, agent }: ConnectionOptions): Promise<Secret | undefined> {
  if (keyFile === undefined && agent !== undefined) return undefined;
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

async function readHostKeys(endpoint: Endpoint, options: ConnectionOptions): Promise<readonly HostKey[]> {
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
