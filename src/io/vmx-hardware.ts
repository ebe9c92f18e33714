import { type MachineSpec, MiB } from '../core/index.ts';

/** One line of a .vmx file. */
export type VmxEntry = readonly [key: string, value: string];

type DiskInterface = 'pvscsi' | 'lsilogic' | 'sata' | 'nvme';

/** What every VMware product needs to know of a machine; paths are relative to its .vmx, or absolute. */
export interface VmxHardware {
  readonly name: string;
  readonly machine: MachineSpec;
  readonly hardwareVersion: number;
  /** `other5xlinux-64`. */
  readonly guestOs: string;
  readonly diskInterface: DiskInterface;
  readonly disk: string;
  /** File that the first serial port writes to. */
  readonly console: string;
  /** Image of a CD-ROM. */
  readonly seed: string | undefined;
  /** Settings of ethernet0 that say which card it is and what it is connected to; they differ between products. */
  readonly network: readonly VmxEntry[];
}

/** Device that carries the disk, `scsi0:0`. */
export const DISK_SLOT: Readonly<Record<DiskInterface, string>> = {
  pvscsi: 'scsi0:0',
  lsilogic: 'scsi0:0',
  sata: 'sata0:0',
  nvme: 'nvme0:0',
};

/** Settings of a machine's hardware, by the keys that VMware's products write themselves. */
export function vmxHardware(hardware: VmxHardware): readonly VmxEntry[] {
  const { machine } = hardware;
  return [
    ['.encoding', 'UTF-8'],
    ['config.version', '8'],
    ['virtualHW.version', String(hardware.hardwareVersion)],
    ['displayName', hardware.name],
    ['guestOS', hardware.guestOs],
    ['firmware', machine.firmware === 'uefi' ? 'efi' : 'bios'],
    ['memsize', String(Math.floor(machine.memoryBytes / MiB))],
    ['numvcpus', String(machine.cpus)],
    // Without them PCI Express devices such as vmxnet3 have no slot.
    ['pciBridge0.present', 'TRUE'],
    ...[4, 5, 6, 7].flatMap((bridge): readonly VmxEntry[] => [
      [`pciBridge${bridge}.present`, 'TRUE'],
      [`pciBridge${bridge}.virtualDev`, 'pcieRootPort'],
      [`pciBridge${bridge}.functions`, '8'],
    ]),
    ['vmci0.present', 'TRUE'],
    ['hpet0.present', 'TRUE'],
    ...disk(hardware),
    ...(hardware.seed === undefined ? [] : cdrom(hardware.seed)),
    ['ethernet0.present', 'TRUE'],
    ...hardware.network,
    ['ethernet0.addressType', 'generated'],
    ['ethernet0.wakeOnPcktRcv', 'FALSE'],
    ['serial0.present', 'TRUE'],
    ['serial0.fileType', 'file'],
    ['serial0.fileName', hardware.console],
    ['serial0.yieldOnMsrRead', 'TRUE'],
    ['floppy0.present', 'FALSE'],
    ['usb.present', 'FALSE'],
    ['sound.present', 'FALSE'],
    ['tools.syncTime', 'FALSE'],
    ['powerType.powerOff', 'soft'],
    // Nobody is there to answer a question about a copied or moved machine.
    ['uuid.action', 'create'],
    ['msg.autoAnswer', 'TRUE'],
  ];
}

/** Whether a setting belongs to the build alone and must not be in a machine that is handed on: seed, console, generated address. */
export function isOfTheBuild(key: string): boolean {
  return /^(guestinfo\.|sata1[.:]|serial0\.|ethernet0\.(generatedaddress|address$)|uuid\.(bios|location)|vmxstats\.|cleanshutdown)/.test(
    key,
  );
}

function disk({ diskInterface, disk: file }: VmxHardware): readonly VmxEntry[] {
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

/** A CD-ROM with an image, on a controller of its own, so that the disk is the first whatever it is on. */
export function cdrom(seed: string): readonly VmxEntry[] {
  return [
    ['sata1.present', 'TRUE'],
    ['sata1:0.present', 'TRUE'],
    ['sata1:0.deviceType', 'cdrom-image'],
    ['sata1:0.fileName', seed],
    ['sata1:0.startConnected', 'TRUE'],
  ];
}
