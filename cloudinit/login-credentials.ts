import { SSH_LOGIN, type SystemCredentials } from '../src/core/index.ts';
import type { HostKey } from './user-data.ts';

export interface LoginCredentialsOptions {
  /** `ssh-ed25519 AAAA… comment`: who may log in as root. */
  readonly authorizedKey: string;
  readonly hostKey: HostKey;
}

/**
 * What a NoCloud seed does for a build's login, for a guest without cloud-init: lines of tmpfiles.d(5) that systemd-tmpfiles takes from the system
 * credential `tmpfiles.extra` (systemd 252 and later) before any service starts. They write the host key, the login key and a drop-in
 * of sshd_config(5) that names both. The files are on the guest's disk, so that it can be rebooted; the seal recipe removes them.
 */
export function loginCredentials({ authorizedKey, hostKey }: LoginCredentialsOptions): SystemCredentials {
  const { folder, dropIn } = SSH_LOGIN;
  const keys = `${folder}/authorized_keys`;
  const host = `${folder}/ssh_host_ed25519_key`;
  const settings = [
    `HostKey ${host}`,
    'Match User root',
    // Where the base or a recipe forbids it; a Match block comes before what holds for all.
    '  PermitRootLogin prohibit-password',
    '  PubkeyAuthentication yes',
    `  AuthorizedKeysFile ${keys}`,
  ];
  const lines = [
    `d ${folder} 0755 root root -`,
    file(keys, '0600', `${authorizedKey.trim()}\n`),
    file(host, '0600', `${hostKey.privateKey.trimEnd()}\n`),
    file(`${host}.pub`, '0644', `${hostKey.publicKey.trim()}\n`),
    file(dropIn, '0600', `${settings.join('\n')}\n`),
    // Each login would wait for a service manager of root's own, which no build needs; until the next boot only (file-hierarchy(7), /run).
    'L+ /run/systemd/system/user@0.service - - - - /dev/null',
  ];
  return { 'tmpfiles.extra': `${lines.join('\n')}\n` };
}

/** `f+` writes the file anew where it exists; `~` says that the content is Base64. */
function file(path: string, mode: string, content: string): string {
  return `f+~ ${path} ${mode} root root - ${Buffer.from(content).toString('base64')}`;
}
