import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Context, Scope } from '../../src/core/index.ts';
import { claimLogs } from '../../src/io/console-file.ts';

/**
 * What a machine is made of. `running` holds what it needs while it runs (process, sockets), `kept` what its disk needs. Both belong to the
 * build's scope; disposing the parts releases `running` first and takes them out of it.
 */
export interface MachineParts extends AsyncDisposable {
  readonly running: Scope;
  readonly kept: Scope;
  /** Leaves everything as it is for good; only the journal still knows. */
  abandon(): void;
}

export function machineParts(context: Pick<Context, 'scope'>): MachineParts {
  const all = new Scope();
  const kept = all.use('disk', new Scope());
  const running = all.use('machine', new Scope());
  const abandon = context.scope.defer('QEMU machine', () => all[Symbol.asyncDispose]());
  return {
    running,
    kept,
    abandon,
    async [Symbol.asyncDispose]() {
      try {
        await all[Symbol.asyncDispose]();
      } finally {
        abandon();
      }
    },
  };
}

/** Makes a folder for this user alone, journalled before it exists and removed with the scope. */
export async function ownFolder(path: string, scope: Scope, { journal }: Pick<Context, 'journal'>): Promise<string> {
  const released = await journal.acquire({ kind: 'path', id: path });
  scope.defer(`folder ${path}`, async () => {
    await rm(path, { recursive: true, force: true });
    await released();
  });
  await mkdir(path, { mode: 0o700 });
  return path;
}

/** sun_path holds 104 bytes on macOS (unix(4)) and 108 on Linux, final zero included; the longest name is `/memory.sock`. */
const MAX_SOCKET_FOLDER = 104 - 13;

/** Names for the two folders of a machine: for its disk, and for its sockets, whose paths must be short. */
export function folderNames(context: Pick<Context, 'buildId' | 'dirs'>): { readonly disk: string; readonly sockets: string } {
  const nonce = randomBytes(4).toString('hex');
  const sockets = join(tmpdir(), `kib-${context.buildId}-${nonce}`);
  return {
    disk: join(context.dirs.work, `machine-${nonce}`),
    sockets: Buffer.byteLength(sockets) <= MAX_SOCKET_FOLDER ? sockets : join('/tmp', `kib-${nonce}`),
  };
}

/** Log files of one machine; they stay. */
export interface MachineLogs {
  readonly console: string;
  readonly firmware: string;
  /** What QEMU and its helpers print. */
  readonly qemu: string;
}

/** Claims log files that no other machine of this build writes. */
export async function claimMachineLogs(dir: string): Promise<MachineLogs> {
  const path = await claimLogs(dir);
  return { console: path('console'), firmware: path('firmware'), qemu: path('qemu') };
}
