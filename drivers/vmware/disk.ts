import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, formatBytes, KibError, type LocalBase } from '../../src/core/index.ts';
import { CommandError } from '../../src/io/process.ts';
import { convert, create, type DiskFile, info } from '../../src/io/qemu-img.ts';
import type { VmwareOptions } from './options.ts';

export const DISK = 'disk.vmdk';

/** `adapter_type` as qemu-img names it; VMware takes a disk of another controller, but then warns of it. */
const ADAPTER = { pvscsi: 'lsilogic', lsilogic: 'lsilogic', sata: 'lsilogic', nvme: 'lsilogic' } as const;

/** Options of qemu-img for a disk that Workstation and Fusion write to: one growing file. */
export function vmdkOptions({ diskInterface, hardwareVersion }: Pick<VmwareOptions, 'diskInterface' | 'hardwareVersion'>) {
  return { subformat: 'monolithicSparse', adapter_type: ADAPTER[diskInterface], hwversion: String(hardwareVersion) };
}

/** The base as qemu-img reads it, looked at before anything is made. Throws KIB_DRIVER_CANNOT. */
export async function inspectBase(
  { path, format, offset = 0, bytes }: LocalBase,
  diskBytes: number,
  signal: AbortSignal,
): Promise<DiskFile> {
  const file = offset === 0 ? { path, format } : { path, format, offset, ...(bytes === undefined ? {} : { bytes }) };
  let size: number;
  try {
    size = (await info(file, signal)).virtualBytes;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new KibError('KIB_DRIVER_CANNOT', `the base cannot be opened as ${format}: ${error.message}`, { cause: error });
  }
  if (size <= diskBytes) return file;
  throw new KibError(
    'KIB_DRIVER_CANNOT',
    `the base is larger than the disk: ${formatBytes(size)} for a disk of ${formatBytes(diskBytes)}`,
    {
      hint: `give disk: ${formatBytes(size)} or more`,
    },
  );
}

/** Writes the base as a VMDK of the machine's size. A VMDK cannot be grown by qemu-img, so it is grown as an overlay first. */
export async function writeDisk(
  base: DiskFile,
  folder: string,
  diskBytes: number,
  options: VmwareOptions,
  { signal, span }: Pick<Context, 'signal' | 'span'>,
): Promise<void> {
  const overlay = join(folder, 'grown.qcow2');
  await create({ path: overlay, format: 'qcow2', bytes: diskBytes, backing: base }, signal);
  await convert({
    source: { path: overlay, format: 'qcow2' },
    target: join(folder, DISK),
    targetFormat: 'vmdk',
    options: vmdkOptions(options),
    onProgress: (percent) => span.progress(percent, 100, 'percent'),
    signal,
  });
  await rm(overlay);
}
