import { guestinfoSeed } from '../../cloudinit/index.ts';
import type { MachineSpec, SeedFiles } from '../../src/core/index.ts';
import type { Vmx } from '../../src/io/vmx.ts';
import { type VmxEntry, vmxHardware } from '../../src/io/vmx-hardware.ts';
import type { VmwareOptions } from './options.ts';

/** CD-ROM image beside the .vmx. */
export const SEED = 'seed.iso';

/** Files that a virtual machine is made of; paths relative to its .vmx, or absolute. */
export interface MachineFiles {
  readonly disk: string;
  readonly console: string;
  /** Absent where the seed goes by guestinfo. */
  readonly seed: string | undefined;
}

/**
 * The .vmx of a machine, by the keys that Workstation 17 and Fusion 13 write themselves. `seed` is only given for guestinfo.
 */
export function vmxOf(
  name: string,
  machine: MachineSpec,
  options: VmwareOptions,
  files: MachineFiles,
  seed: SeedFiles | undefined,
): Vmx {
  const { hardwareVersion, guestOs, diskInterface } = options;
  const hardware = { name, machine, hardwareVersion, guestOs, diskInterface, ...files, network: network(options) };
  return new Map([...vmxHardware(hardware), ...(seed === undefined ? [] : guestinfo(seed)), ...Object.entries(options.vmx)]);
}

function network({ network: connection, vmnet, networkModel }: VmwareOptions): readonly VmxEntry[] {
  return [
    ['ethernet0.virtualDev', networkModel],
    ['ethernet0.connectionType', connection],
    ...(connection === 'custom' && vmnet !== undefined ? [['ethernet0.vnet', vmnet] as const] : []),
  ];
}

/** A seed as settings, for cloud-init’s VMware data source. */
export function guestinfo(seed: SeedFiles): readonly VmxEntry[] {
  return Object.entries(guestinfoSeed(seed)).map(([name, value]) => [`guestinfo.${name}`, value] as const);
}
