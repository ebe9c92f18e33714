import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Context, cancelled, systemCode, throwIfAborted, withDeadline } from '../core/index.ts';
import { NbdConnection } from './nbd.ts';
import { ownPath } from './own-path.ts';
import { run } from './process.ts';
import { type DiskFile, located } from './qemu-img.ts';

/** A disk that is open for reading. */
export interface OpenDisk {
  /** Virtual size. */
  readonly bytes: number;
  readonly connection: NbdConnection;
}

/** qemu-nbd opens its socket within milliseconds; this is for a host that hardly runs. */
const CONNECT_MS = 60_000;
const RETRY_MS = 5;
/** sun_path holds 104 bytes on macOS (unix(4)), final zero included. */
const MAX_SOCKET_PATH = 103;

/**
 * Opens a disk image, backing files and all, and lets `work` read it. A qemu-nbd of our own serves it on a socket in a private folder; both
 * are gone afterwards. A qemu-nbd whose only client hangs up ends by itself, and until then the kernel ends it with us, so that a killed
 * build leaves none. Throws CommandError with qemu-nbd's own words when it cannot open the image.
 */
export async function withDisk<T>(file: DiskFile, context: Context, work: (disk: OpenDisk) => Promise<T>): Promise<T> {
  const folder = socketFolder(context.buildId);
  const forget = await ownPath('folder', folder, context);
  try {
    await mkdir(folder, { mode: 0o700 });
    return await served(file, join(folder, 'nbd'), context, work);
  } finally {
    // What cannot be removed now is the scope's to try again and to report.
    await rm(folder, { recursive: true, force: true }).then(forget, () => {});
  }
}

async function served<T>(file: DiskFile, socket: string, context: Context, work: (disk: OpenDisk) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const serving = run(...nbdCommand(file, socket), { signal: AbortSignal.any([context.signal, stop.signal]) });
  // An end before we hang up is a failure, whatever the exit code.
  const ended = serving.then(() => {
    throw new Error('qemu-nbd ended by itself');
  });
  ended.catch(() => {});
  try {
    const connection = await connected(socket, ended, context);
    const onAbort = (): void => connection.destroy(cancelled(context.signal.reason));
    context.signal.addEventListener('abort', onAbort, { once: true });
    try {
      throwIfAborted(context.signal);
      return await work({ bytes: await connection.opened, connection });
    } finally {
      context.signal.removeEventListener('abort', onAbort);
      await connection[Symbol.asyncDispose]();
    }
  } finally {
    stop.abort();
    await serving.catch(() => {});
  }
}

/** Program and arguments that serve an image to one client. */
export function nbdCommand(file: DiskFile, socket: string): [program: string, args: readonly string[]] {
  const args = ['--read-only', '--shared=1', `--socket=${socket}`, ...located(file, '--format')];
  if (process.platform !== 'linux') return ['qemu-nbd', args];
  return ['setpriv', ['--no-new-privs', '--pdeathsig', 'TERM', 'qemu-nbd', ...args]];
}

function socketFolder(buildId: string): string {
  const nonce = randomBytes(4).toString('hex');
  const folder = join(tmpdir(), `kib-${buildId}-${nonce}`);
  return Buffer.byteLength(join(folder, 'nbd')) <= MAX_SOCKET_PATH ? folder : join('/tmp', `kib-${nonce}`);
}

async function connected(socket: string, ended: Promise<never>, context: Context): Promise<NbdConnection> {
  const onTimeout = (): Error => new Error(`qemu-nbd did not open its socket within ${CONNECT_MS / 1000} s`);
  const deadline = { ms: CONNECT_MS, clock: context.clock, signal: context.signal, onTimeout };
  return withDeadline(deadline, async (signal) => {
    for (;;) {
      const connection = new NbdConnection(socket);
      try {
        await Promise.race([connection.opened, ended]);
        return connection;
      } catch (error) {
        await connection[Symbol.asyncDispose]();
        if (!['ENOENT', 'ECONNREFUSED'].includes(systemCode(error) ?? '')) throw error;
      }
      await Promise.race([context.clock.sleep(RETRY_MS, signal), ended]);
    }
  });
}
