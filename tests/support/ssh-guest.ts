import { systemClock } from '../../src/core/index.ts';
import { Guest } from '../../src/engine/guest.ts';
import { connectSsh } from '../../src/transport/ssh.ts';
import type { TestSshServer } from './ssh-server.ts';

/** The guest behind an SSH server of this host, which must answer within `readyTimeoutMs`. Dispose it before the server. */
export function guestOf(
  { endpoint, credentials }: Pick<TestSshServer, 'endpoint' | 'credentials'>,
  signal: AbortSignal,
  readyTimeoutMs = 5000,
): Promise<Guest> {
  const connect = (aborted: AbortSignal) =>
    connectSsh(endpoint, credentials, { signal: aborted, clock: systemClock, readyTimeoutMs });
  return Guest.connect({ connect, clock: systemClock, slowness: 1 }, signal);
}
