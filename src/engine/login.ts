import { buildSeed } from '../../cloudinit/index.ts';
import { BUILD_USER, type Credentials, type SeedFiles } from '../core/index.ts';
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
