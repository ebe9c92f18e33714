import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DiskFormat, type DiskPlace, KibError } from '../../src/core/index.ts';
import { type DiskFile, rebase } from '../../src/io/qemu-img.ts';
import { fileBytes } from './pool.ts';
import type { Virsh } from './virsh.ts';

export const DISK = 'disk.qcow2';

/** What a machine writes to. */
export interface MachineDisk {
  /** Name of the volume. */
  readonly volume: string;
  /** File of this host that it becomes. */
  readonly path: string;
  /** What that file stands on: the same as the volume does. */
  readonly backing: DiskFile;
}

/** The disk of a machine that may become a layer. */
export function diskAt({ folder, backing }: DiskPlace, volume: string, format: DiskFormat): MachineDisk {
  return { volume, path: join(folder, DISK), backing: { path: backing, format } };
}

/** Brings to this host what was written to a volume that nobody writes to any more; what it stands on never travels back. */
export async function downloadDisk(
  virsh: Virsh,
  pool: string,
  { volume, path, backing }: MachineDisk,
  signal: AbortSignal,
): Promise<void> {
  const wanted = await fileBytes(virsh, pool, volume, signal);
  await virsh.receive(['vol-download', '--pool', pool, volume], path, signal);
  const { size } = await stat(path);
  if (size !== wanted) {
    throw new KibError('KIB_LIBVIRT', `volume ${volume} has ${wanted} bytes, but ${size} arrived`, { retryable: true });
  }
  await rebase({ path, format: 'qcow2' }, backing, signal);
  await chmod(path, 0o400);
}
