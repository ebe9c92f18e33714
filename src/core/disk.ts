import type { DiskFormat } from './base.ts';

/**
 * The disk of a machine that was shut down and sealed. A file may be an overlay: read it with qemu-img, never by copying.
 * It lives until the machine it came from is disposed.
 */
export interface SealedDisk {
  readonly kind: 'file';
  readonly path: string;
  readonly format: DiskFormat;
  /** Virtual size in bytes. */
  readonly virtualBytes: number;
}
