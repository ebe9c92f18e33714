import { join } from 'node:path';
import type { Context } from '../../src/core/index.ts';
import { convert, type DiskFile, withGrown } from '../../src/io/qemu-img.ts';
import type { VmwareOptions } from './options.ts';

/** What a machine is started on, and a kept one consists of. */
export const DISK = 'disk.vmdk';

/** `adapter_type` as qemu-img names it; VMware takes a disk of another controller, but then warns of it. */
const ADAPTER = { pvscsi: 'lsilogic', lsilogic: 'lsilogic', sata: 'lsilogic', nvme: 'lsilogic' } as const;

/** Options of qemu-img for a disk that Workstation and Fusion write to: one growing file. */
export function vmdkOptions({ diskInterface, hardwareVersion }: Pick<VmwareOptions, 'diskInterface' | 'hardwareVersion'>) {
  return { subformat: 'monolithicSparse', adapter_type: ADAPTER[diskInterface], hwversion: String(hardwareVersion) };
}

export interface DiskRequest {
  readonly base: DiskFile;
  readonly folder: string;
  /** Size of the machine's disk. */
  readonly bytes: number;
}

/** Writes the base as DISK in the folder, a VMDK of the machine's size. A VMDK cannot be grown by qemu-img, so it is grown as an overlay first. */
export async function writeDisk(
  { base, folder, bytes }: DiskRequest,
  options: VmwareOptions,
  { signal, span }: Pick<Context, 'signal' | 'span'>,
): Promise<void> {
  await withGrown({ disk: base, bytes, folder }, signal, (source) =>
    convert({
      source,
      target: join(folder, DISK),
      targetFormat: 'vmdk',
      options: vmdkOptions(options),
      onProgress: (percent) => span.progress(percent, 100, 'percent'),
      signal,
    }),
  );
}
