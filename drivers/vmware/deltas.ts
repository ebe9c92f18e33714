import { dirname, resolve } from 'node:path';
import { KibError } from '../../src/core/index.ts';
import { type Vmx, vmxValue } from '../../src/io/vmx.ts';
import { DISK_SLOT } from '../../src/io/vmx-hardware.ts';
import type { VmwareOptions } from './options.ts';

/**
 * File that a machine writes to, absolute. Each snapshot makes the one before a parent that is only read, and names a new delta in the .vmx,
 * `disk-000001.vmdk`. Throws KIB_VMRUN when the settings name none.
 */
export function diskFile(settings: Vmx, vmx: string, { diskInterface }: Pick<VmwareOptions, 'diskInterface'>): string {
  const key = diskKey(diskInterface);
  const name = vmxValue(settings, key);
  if (name !== undefined && name !== '') return resolve(dirname(vmx), name);
  throw new KibError('KIB_VMRUN', `wanted the disk of the machine as ${key}, but ${vmx} has no such setting`, {
    hint: 'give driver.vmx no settings of the disk',
  });
}

/** The same settings with the disk in another file. */
export function withDisk(settings: Vmx, file: string, { diskInterface }: Pick<VmwareOptions, 'diskInterface'>): Vmx {
  const wanted = diskKey(diskInterface).toLowerCase();
  return new Map([...settings].map(([key, value]) => [key, key.toLowerCase() === wanted ? file : value]));
}

function diskKey(diskInterface: VmwareOptions['diskInterface']): string {
  return `${DISK_SLOT[diskInterface]}.fileName`;
}
