import { join } from 'node:path';
import type { Context } from '../../src/core/index.ts';
import { convert, create, type DiskFile, withGrown } from '../../src/io/qemu-img.ts';
import type { VmwareOptions } from './options.ts';

/** What a machine is started on, and a kept one consists of. */
export const DISK = 'disk.vmdk';

/** What DISK is a delta of when it is one; only ever read. */
export const BASE = 'base.vmdk';

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
  /** Whether what the machine writes is to be told from the base: the disk is then a delta, as that of a linked clone is. */
  readonly isDelta: boolean;
}

/** Writes the base as a VMDK of the machine's size. A VMDK cannot be grown by qemu-img, so it is grown as an overlay first. */
export async function writeDisk(
  { base, folder, bytes, isDelta }: DiskRequest,
  options: VmwareOptions,
  { signal, span }: Pick<Context, 'signal' | 'span'>,
): Promise<void> {
  await withGrown({ disk: base, bytes, folder }, signal, (source) =>
    convert({
      source,
      target: join(folder, isDelta ? BASE : DISK),
      targetFormat: 'vmdk',
      options: vmdkOptions(options),
      onProgress: (percent) => span.progress(percent, 100, 'percent'),
      signal,
    }),
  );
  if (!isDelta) return;
  const backing = { path: BASE, format: 'vmdk' } as const;
  await create({ path: join(folder, DISK), format: 'vmdk', backing, options: vmdkOptions(options) }, signal);
}
