import type { DiskFormat } from './base.ts';
import type { Context } from './context.ts';

export type SealedDisk = FileDisk | RemoteDisk;

/**
 * The disk of a machine that was shut down and sealed. A file may be an overlay: read it with qemu-img, never by copying.
 * It lives until the machine it came from is disposed.
 */
export interface FileDisk {
  readonly kind: 'file';
  readonly path: string;
  readonly format: DiskFormat;
  /** Virtual size in bytes. */
  readonly virtualBytes: number;
}

/** The same where only the hypervisor has it: images are made of it there (Driver.images). */
export interface RemoteDisk {
  readonly kind: 'remote';
  /** What the driver knows the machine by: `i-0abc…`. */
  readonly id: string;
  /** Virtual size in bytes. */
  readonly virtualBytes: number;
  /** Brings it to this host, for file formats; absent where that cannot be. The file lives as long as the disk. */
  readonly download?: (context: Context) => Promise<FileDisk>;
}
