import { guestinfoSeed } from '../../cloudinit/index.ts';
import { type MachineSpec, MiB, type SeedFiles } from '../../src/core/index.ts';
import type { VmwareOptions } from './options.ts';
import type { Vmx } from './vmx.ts';

/** Files that a virtual machine is made of; paths relative to its .vmx, or absolute. */
export interface MachineFiles {
  readonly disk: string;
  readonly console: string;
  /** Absent where the seed goes by guestinfo. */
  readonly seed: string | undefined;
}

/** Device that carries the disk, `scsi0:0`. */
const DISK_SLOT = { pvscsi: 'scsi0:0', lsilogic: 'scsi0:0', sata: 'sata0:0', nvme: 'nvme0:0' } as const;

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
  const settings: readonly (readonly [string, string])[] = [
    ['.encoding', 'UTF-8'],
    ['config.version', '8'],
    ['virtualHW.version', String(options.hardwareVersion)],
    ['displayName', name],
    ['guestOS', options.guestOs],
    ['firmware', machine.firmware === 'uefi' ? 'efi' : 'bios'],
    ['memsize', String(Math.floor(machine.memoryBytes / MiB))],
    ['numvcpus', String(machine.cpus)],
    // Without them PCI Express devices such as vmxnet3 have no slot.
    ['pciBridge0.present', 'TRUE'],
    ...[4, 5, 6, 7].flatMap((bridge) => [
      [`pciBridge${bridge}.present`, 'TRUE'] as const,
      [`pciBridge${bridge}.virtualDev`, 'pcieRootPort'] as const,
      [`pciBridge${bridge}.functions`, '8'] as const,
    ]),
    ['vmci0.present', 'TRUE'],
    ['hpet0.present', 'TRUE'],
    ...disk(options, files),
    ...(files.seed === undefined ? [] : cdrom(files.seed)),
    ...network(options),
    ['serial0.present', 'TRUE'],
    ['serial0.fileType', 'file'],
    ['serial0.fileName', files.console],
    ['serial0.yieldOnMsrRead', 'TRUE'],
    ['floppy0.present', 'FALSE'],
    ['usb.present', 'FALSE'],
    ['sound.present', 'FALSE'],
    ['tools.syncTime', 'FALSE'],
    ['powerType.powerOff', 'soft'],
    // Nobody is there to answer a question about a copied or moved machine.
    ['uuid.action', 'create'],
    ['msg.autoAnswer', 'TRUE'],
    ...(seed === undefined ? [] : guestinfo(seed)),
    ...Object.entries(options.vmx),
  ];
  return new Map(settings);
}

function disk({ diskInterface }: VmwareOptions, { disk: file }: MachineFiles): readonly (readonly [string, string])[] {
  const slot = DISK_SLOT[diskInterface];
  const controller = slot.slice(0, -2);
  const isScsi = diskInterface === 'pvscsi' || diskInterface === 'lsilogic';
  return [
    [`${controller}.present`, 'TRUE'],
    ...(isScsi ? [[`${controller}.virtualDev`, diskInterface] as const] : []),
    [`${slot}.present`, 'TRUE'],
    [`${slot}.fileName`, file],
  ];
}

/** On a controller of its own, so that the disk is the first whatever it is on. */
function cdrom(seed: string): readonly (readonly [string, string])[] {
  return [
    ['sata1.present', 'TRUE'],
    ['sata1:0.present', 'TRUE'],
    ['sata1:0.deviceType', 'cdrom-image'],
    ['sata1:0.fileName', seed],
    ['sata1:0.startConnected', 'TRUE'],
  ];
}

function network({ network: connection, vmnet, networkModel }: VmwareOptions): readonly (readonly [string, string])[] {
  return [
    ['ethernet0.present', 'TRUE'],
    ['ethernet0.virtualDev', networkModel],
    ['ethernet0.connectionType', connection],
    ...(connection === 'custom' && vmnet !== undefined ? [['ethernet0.vnet', vmnet] as const] : []),
    ['ethernet0.addressType', 'generated'],
    ['ethernet0.wakeOnPcktRcv', 'FALSE'],
  ];
}

function guestinfo(seed: SeedFiles): readonly (readonly [string, string])[] {
  return Object.entries(guestinfoSeed(seed)).map(([name, value]) => [`guestinfo.${name}`, value] as const);
}

/** Whether a setting belongs to the build alone and must not be in a machine that is handed on: seed, console, generated address. */
export function isOfTheBuild(key: string): boolean {
  return /^(guestinfo\.|sata1[.:]|serial0\.|ethernet0\.(generatedaddress|address$)|uuid\.(bios|location)|vmxstats\.|cleanshutdown)/.test(
    key,
  );
}
