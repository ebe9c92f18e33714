import { buildSeed, loginCredentials } from '../../cloudinit/index.ts';
import { BUILD_USER, type Credentials, canonicalJson, type SeedFiles, type SystemCredentials, sha256 } from '../core/index.ts';
import { generateKeyPair } from '../transport/keys.ts';

/** How a login gets into a guest: by cloud-init, which reads a NoCloud seed, or by systemd, which reads system credentials. */
export type LoginWay = 'nocloud' | 'credentials';

/** Hint for a guest that came up otherwise than its base's files promised. */
export const OTHER_WAY =
  'the login was given as systemd credentials, without cloud-init; for the other way: --var driver.login=nocloud';

/** A throw-away login and what puts it into the guest. */
export interface Login {
  readonly credentials: Credentials;
  readonly seed: SeedFiles;
  /** Present when the way is `credentials`; the login is root's then. */
  readonly systemCredentials?: SystemCredentials;
}

interface SeedOptions {
  readonly hostname: string;
  readonly minimal: boolean;
}

/** Makes a login key and a host key for one boot; neither is ever written to the image. */
export function makeLogin(options: SeedOptions & { readonly instanceId: string; readonly way?: LoginWay }): Login {
  const { publicKey: authorizedKey, privateKey } = generateKeyPair('kib-native login');
  const hostKey = generateKeyPair(`root@${options.hostname}`);
  const isRoot = options.way === 'credentials';
  return {
    credentials: { username: isRoot ? 'root' : BUILD_USER, privateKey, hostKey: hostKey.publicKey },
    seed: buildSeed({ ...options, login: { username: BUILD_USER, authorizedKey }, hostKey }),
    ...(isRoot ? { systemCredentials: loginCredentials({ authorizedKey, hostKey }) } : {}),
  };
}

/** Digest of what brings the login, apart from its keys and its instance: what of it makes one guest differ from another. */
export function loginDigest(way: LoginWay, options: SeedOptions): string {
  const keys = { authorizedKey: 'login', hostKey: { privateKey: 'host', publicKey: 'host' } };
  if (way === 'credentials') return sha256(canonicalJson(loginCredentials(keys)));
  const login = { username: BUILD_USER, authorizedKey: keys.authorizedKey };
  return sha256(canonicalJson(buildSeed({ ...options, instanceId: '', login, hostKey: keys.hostKey })));
}
