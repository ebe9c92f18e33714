import { buildSeed } from '../../cloudinit/index.ts';
import { BUILD_USER, type Credentials, canonicalJson, type SeedFiles, sha256 } from '../core/index.ts';
import { generateKeyPair } from '../transport/keys.ts';

/** A throw-away login and the seed that puts it into the guest. */
export interface Login {
  readonly credentials: Credentials;
  readonly seed: SeedFiles;
}

/** Makes a login key and a host key for one boot; neither is ever written to the image. */
export function makeLogin(options: { readonly instanceId: string; readonly hostname: string; readonly minimal: boolean }): Login {
  const login = generateKeyPair('kib-native login');
  const host = generateKeyPair(`root@${options.hostname}`);
  return {
    credentials: { username: BUILD_USER, privateKey: login.privateKey, hostKey: host.publicKey },
    seed: buildSeed({ ...options, login: { username: BUILD_USER, authorizedKey: login.publicKey }, hostKey: host }),
  };
}

/** Digest of the seed apart from its keys and its instance: what of it makes one guest differ from another. */
export function seedDigest(options: { readonly hostname: string; readonly minimal: boolean }): string {
  const login = { username: BUILD_USER, authorizedKey: 'login' };
  return sha256(
    canonicalJson(buildSeed({ ...options, instanceId: '', login, hostKey: { privateKey: 'host', publicKey: 'host' } })),
  );
}
