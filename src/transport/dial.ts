import { connect, type Socket } from 'node:net';
import { type Clock, type Endpoint, errorMessage, withDeadline } from '../core/index.ts';
import { sshLost } from './errors.ts';

export interface DialOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** RFC 4253 §4.2: other lines may come first, then the identification string. */
const IDENTIFICATION = /^SSH-2\.0-[^\n]*\n/m;
const MAX_GREETING_BYTES = 8192;

/**
 * Opens a TCP connection and waits until an SSH server has introduced itself: with QEMU's user network a connect always succeeds and
 * says nothing about the guest. What was read stands in the socket again. Throws KIB_SSH_LOST with `details.server` = none.
 */
export async function dialSsh(endpoint: Endpoint, options: DialOptions): Promise<Socket> {
  const socket = connect({ host: endpoint.host, port: endpoint.port, noDelay: true });
  // For the moments in which nobody else listens.
  socket.on('error', () => {});
  try {
    const onTimeout = () => sshLost(endpoint, `no SSH server introduced itself within ${options.timeoutMs} ms`, 'none');
    const deadline = { ms: options.timeoutMs, clock: options.clock, signal: options.signal, onTimeout };
    socket.unshift(await withDeadline(deadline, () => readIdentification(socket, endpoint)));
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function readIdentification(socket: Socket, endpoint: Endpoint): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0);
    const settle = (finish: () => void) => {
      socket.off('data', onData).off('error', onError).off('close', onClose).pause();
      finish();
    };
    const onData = (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
      if (IDENTIFICATION.test(seen.toString('latin1'))) settle(() => resolve(seen));
      else if (seen.length > MAX_GREETING_BYTES) settle(() => reject(sshLost(endpoint, 'not an SSH server', 'none')));
    };
    const onError = (error: Error) => settle(() => reject(sshLost(endpoint, errorMessage(error), 'none', error)));
    const onClose = () => {
      // OpenSSH 9.8+ answers a source it penalises (PerSourcePenalties) with a plain line instead of an identification.
      const said = seen.toString('latin1').trim();
      const server = said.startsWith('Not allowed at this time') || said.startsWith('Exceeded MaxStartups') ? 'ssh' : 'none';
      settle(() => reject(sshLost(endpoint, said === '' ? 'closed before any greeting' : `closed after "${said}"`, server)));
    };
    socket.on('data', onData).on('error', onError).on('close', onClose);
  });
}
