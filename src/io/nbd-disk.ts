import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Context, cancelled, systemCode, throwIfAborted, withDeadline } from '../core/index.ts';
import { NbdConnection } from './nbd.ts';
import { ownPath } from './own-path.ts';
import { CommandError, run, toolMissing } from './process.ts';
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
const LAST_WORDS_MS = 1000;
/** setpriv(1) of util-linux 2.33: the kernel ends the program when the thread that started it ends. */
const DYING_WITH_US = ['setpriv', '--no-new-privs', '--pdeathsig', 'TERM'];
/** sun_path holds 104 bytes on macOS (unix(4)), final zero included. */
const MAX_SOCKET_PATH = 103;

/**
 * Opens a disk image, backing files and all, and lets `work` read it. A qemu-nbd of our own serves it on a socket in a private folder; both
 * are gone afterwards. It ends when its only client hangs up, and on Linux when we do, so that a killed build leaves none. Throws CommandError
 * with qemu-nbd's own words when it cannot open the image.
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
  const serving = serve(file, socket, AbortSignal.any([context.signal, stop.signal]));
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
      const closed = connection[Symbol.asyncDispose]();
      stop.abort();
      await closed;
    }
  } finally {
    stop.abort();
    await serving.catch(() => {});
  }
}

/** Serves an image to one client; resolves when that has hung up. */
async function serve(file: DiskFile, socket: string, signal: AbortSignal): Promise<void> {
  const argv = ['qemu-nbd', '--read-only', '--shared=1', `--socket=${socket}`, ...located(file, '--format')];
  const [program = '', ...args] = [...(process.platform === 'linux' ? DYING_WITH_US : []), ...argv];
  try {
    await run(program, args, { signal });
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
    // setpriv(1), as a shell.
    if (program === 'setpriv' && error.exitCode === 127) throw toolMissing('qemu-nbd', error);
    throw new CommandError(argv, error.exitCode, error.stderr, `exited with ${error.exitCode}`);
  }
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
        const isNotThereYet = ['ENOENT', 'ECONNREFUSED'].includes(systemCode(error) ?? '');
        // The socket is there before the image is opened: one that cannot be opened shows as a lost connection first.
        await Promise.race([ended, context.clock.sleep(isNotThereYet ? RETRY_MS : LAST_WORDS_MS, signal)]);
        if (!isNotThereYet) throw error;
      }
    }
  });
}
