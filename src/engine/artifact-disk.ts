import type { Artifact } from '../core/index.ts';
import type { DiskFile } from '../io/qemu-img.ts';

/** The disk of an artifact as qemu-img takes it: the file itself, or the stretch of it that holds the disk. */
export function artifactDisk({ path, disk }: Pick<Artifact, 'path' | 'disk'>): DiskFile {
  return disk.offset === 0 ? { path, format: disk.format } : { path, ...disk };
}
