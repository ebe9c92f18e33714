import { stat } from 'node:fs/promises';
import { run } from '../io/process.ts';
import { convert, type DiskFile, locator } from '../io/qemu-img.ts';

export interface VmdkRequest {
  readonly source: DiskFile;
  readonly target: string;
  /** Share done, from 0 to 100. */
  readonly onProgress: (percent: number) => void;
  readonly signal: AbortSignal;
}

export interface VmdkFile {
  /** Bytes of the file. */
  readonly bytes: number;
  /** Bytes of the disk that hold data, whole grains of 64 KiB. */
  readonly populatedBytes: number;
}

/**
 * Writes a streamOptimized VMDK (VMware Virtual Disk Format 1.1: compressed grains in the order of the disk, for streaming upload).
 * A half-written target is the caller's to remove.
 */
export async function writeStreamOptimizedVmdk(request: VmdkRequest): Promise<VmdkFile> {
  const { source, target, onProgress, signal } = request;
  // VMware's tools write lsilogic for every SCSI disk; QEMU's default is ide.
  const options = { subformat: 'streamOptimized', adapter_type: 'lsilogic' };
  await convert({ source, target, targetFormat: 'vmdk', options, onProgress, signal });
  const { size } = await stat(target);
  return { bytes: size, populatedBytes: await populatedBytes({ path: target, format: 'vmdk' }, signal) };
}

async function populatedBytes(file: DiskFile, signal: AbortSignal): Promise<number> {
  const { stdout } = await run('qemu-img', ['map', '--output=json', '-f', file.format, locator(file)], { signal });
  const extents = JSON.parse(stdout) as readonly { readonly length: number; readonly data: boolean }[];
  return extents.reduce((sum, extent) => sum + (extent.data ? extent.length : 0), 0);
}
