import { SSHD_DROP_IN, type SystemCredentials } from '../src/core/index.ts';
import type { HostKey } from './user-data.ts';

export interface LoginCredentialsOptions {
  /** `ssh-ed25519 AAAA… comment`: who may log in as root. */
  readonly authorizedKey: string;
  readonly hostKey: HostKey;
}

const HOST_KEY = '/etc/ssh/ssh_host_ed25519_key';

/** For bases with other host keys, and where the base or a step forbids root: a Match block comes before what holds for all (sshd_config(5)). */
const SSHD = [
  `HostKey ${HOST_KEY}`,
  'Match User root',
  '  PermitRootLogin prohibit-password',
  '  PubkeyAuthentication yes',
  '  AuthorizedKeysFile .ssh/authorized_keys',
];

/**
 * What a NoCloud seed does for a build's login, for a guest without cloud-init: lines of tmpfiles.d(5) that systemd-tmpfiles takes from the system
 * credential `tmpfiles.extra` (systemd 252 and later) before sshd starts. The keys go where sshd looks by itself, and are on the guest's disk, so that
 * it can be rebooted; the seal recipe removes them and the drop-in.
 */
export function loginCredentials({ authorizedKey, hostKey }: LoginCredentialsOptions): SystemCredentials {
  const lines = [
    'd /root/.ssh 0700 root root -',
    file('/root/.ssh/authorized_keys', '0600', `${authorizedKey.trim()}\n`),
    file(HOST_KEY, '0600', `${hostKey.privateKey.trimEnd()}\n`),
    file(`${HOST_KEY}.pub`, '0644', `${hostKey.publicKey.trim()}\n`),
    file(SSHD_DROP_IN, '0600', `${SSHD.join('\n')}\n`),
    // Each login would wait for a service manager of root's own, which no build needs; until the next boot only (file-hierarchy(7), /run).
    'L+ /run/systemd/system/user@0.service - - - - /dev/null',
  ];
  return { 'tmpfiles.extra': `${lines.join('\n')}\n` };
}

/** `f+` writes the file anew where it exists; `~` says that the content is Base64. */
function file(path: string, mode: string, content: string): string {
  return `f+~ ${path} ${mode} root root - ${Buffer.from(content).toString('base64')}`;
}
