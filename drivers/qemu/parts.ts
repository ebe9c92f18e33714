import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../src/core/index.ts';
import { claimLogs } from '../../src/io/console-file.ts';

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
