import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Clock, errorMessage, KibError, type Scope, Secret, systemCode } from '../../src/core/index.ts';
import { SshHost } from '../../src/transport/host.ts';
import { type HostKey, knownHostKeys, parsePublicKey } from '../../src/transport/known-hosts.ts';
import type { Bastion, Ec2Options } from './options.ts';

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** The host to reach instances through; it is logged in to when it is needed. Throws KIB_HOST_AUTH, KIB_HOST_KEY. */
export async function openBastion({ bastion }: Ec2Options, scope: Scope, clock: Clock): Promise<SshHost | undefined> {
  if (bastion === undefined) return undefined;
  const { host, port, user, agent } = bastion;
  const endpoint = { host, port };
  const privateKey = agent === undefined ? await readKey(bastion) : undefined;
  const hostKeys = await readHostKeys(bastion);
  const login = { endpoint, username: user, hostKeys };
  const how = privateKey === undefined ? { agent: resolve(agent ?? '') } : { privateKey };
  return scope.use('bastion', new SshHost({ ...login, ...how }, clock));
}

async function readKey({ keyFile }: Bastion): Promise<Secret> {
  const paths = keyFile === undefined ? DEFAULT_KEYS.map((name) => join(homedir(), '.ssh', name)) : [expand(keyFile)];
  for (const path of paths) {
    try {
      return new Secret(`SSH key ${path}`, await readFile(path, 'utf8'));
    } catch (error) {
      if (keyFile === undefined && systemCode(error) === 'ENOENT') continue;
      throw new KibError('KIB_HOST_AUTH', `the private key for the bastion cannot be read: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }
  throw new KibError('KIB_HOST_AUTH', `no private key to log in to the bastion with: none of ${paths.join(', ')} is there`, {
    hint: 'set bastion.keyFile, or bastion.agent, of the driver',
  });
}

async function readHostKeys({ host, port, hostKey, knownHosts }: Bastion): Promise<readonly HostKey[]> {
  const pinned = hostKey === undefined ? undefined : parsePublicKey(hostKey);
  if (pinned !== undefined) return [pinned];
  const path = knownHosts === undefined ? join(homedir(), '.ssh/known_hosts') : expand(knownHosts);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return '';
    throw new KibError('KIB_HOST_KEY', `the known_hosts file cannot be read: ${errorMessage(error)}`, { cause: error });
  });
  const keys = knownHostKeys(text, { host, port });
  if (keys.length > 0) return keys;
  throw new KibError('KIB_HOST_KEY', `${path} has no key of ${host}:${port}, and an unknown host is never trusted`, {
    hint: `compare what ssh-keyscan -p ${port} ${host} prints with the host’s own keys, then add it to ${path} or set bastion.hostKey`,
  });
}

function expand(path: string): string {
  return resolve(path.startsWith('~/') ? join(homedir(), path.slice(2)) : path);
}
