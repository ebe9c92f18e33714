import { createHash } from 'node:crypto';
import { type Endpoint, errorMessage, isKibError, KibError } from '../core/index.ts';

/** What stood at the other end when a connection could not be made; `details.server` of a KIB_SSH_LOST error. */
export type ServerSeen =
  /** Nothing said it was an SSH server: refused, closed at once (QEMU's user network does that) or silent. */
  | 'none'
  /** An SSH server introduced itself, then the connection broke. */
  | 'ssh';

export function sshLost(endpoint: Endpoint, reason: string, server: ServerSeen, cause?: unknown): KibError {
  return new KibError('KIB_SSH_LOST', `SSH connection to ${endpoint.host}:${endpoint.port}: ${reason}`, {
    retryable: true,
    cause,
    details: { server },
  });
}

/** Whether this failure to connect shows that an SSH server is running there. */
export function sshServerSeen(error: unknown): boolean {
  if (!isKibError(error)) return false;
  return error.code === 'KIB_SSH_AUTH' || error.code === 'KIB_SSH_HOSTKEY' || error.details['server'] === 'ssh';
}

export function hostKeyMismatch(endpoint: Endpoint, wanted: Buffer, shown: Buffer): KibError {
  return new KibError(
    'KIB_SSH_HOSTKEY',
    `${endpoint.host}:${endpoint.port} should show host key ${fingerprint(wanted)}, but showed ${fingerprint(shown)}`,
    { hint: 'another machine answers there, or the guest did not take the host key of the seed' },
  );
}

/** An ssh2 failure as ours; ssh2 says by `error.level` how far it came. */
export function classifySshError(error: unknown, endpoint: Endpoint, username: string): KibError {
  if (isKibError(error)) return error;
  if ((error as { level?: unknown }).level === 'client-authentication') {
    return new KibError('KIB_SSH_AUTH', `${endpoint.host}:${endpoint.port} refused the login key of user ${username}`, {
      cause: error,
    });
  }
  return sshLost(endpoint, errorMessage(error), 'ssh', error);
}

/** `SHA256:…` as ssh-keygen -l prints it. */
function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}
