import { guestinfoSeed } from '../../cloudinit/index.ts';
import type { MachineSpec, SeedFiles } from '../../src/core/index.ts';
import type { Vmx } from '../../src/io/vmx.ts';
import { type VmxEntry, vmxHardware } from '../../src/io/vmx-hardware.ts';
import type { EsxiOptions } from './options.ts';

/** Files of a machine, beside its .vmx. */
export const DISK = 'disk.vmdk';
export const SEED = 'seed.iso';
export const CONSOLE = 'console.log';

/** The .vmx of a machine. `seed` is only looked at where it goes by guestinfo. */
export function vmxOf(name: string, machine: MachineSpec, options: EsxiOptions, seed: SeedFiles): Vmx {
  const { hardwareVersion, guestOs, diskInterface, networkModel, network } = options;
  return new Map<string, string>([
    ...vmxHardware({
      name,
      machine,
      hardwareVersion,
      guestOs,
      diskInterface,
      disk: DISK,
      console: CONSOLE,
      seed: options.seed === 'cdrom' ? SEED : undefined,
      network: [
        ['ethernet0.virtualDev', networkModel],
        ['ethernet0.networkName', network],
      ],
    }),
    ...(options.seed === 'guestinfo' ? guestinfo(seed) : []),
    ...Object.entries(options.vmx),
  ]);
}

function guestinfo(seed: SeedFiles): readonly VmxEntry[] {
  return Object.entries(guestinfoSeed(seed)).map(([name, value]) => [`guestinfo.${name}`, value] as const);
}
