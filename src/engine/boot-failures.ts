import type { ErrorCode } from '../core/index.ts';

/** A failure that the console names. */
export interface BootFailure {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  /** What happened, as the end of "the machine did not come up: ". */
  readonly what: string;
  readonly hint: string;
  /** How long the boot may still go on after this line and so take it back; 0 for what nothing follows. */
  readonly graceMs: number;
}

const CHECK_BASE = 'is the base a bootable disk for this firmware? try the other one (firmware: bios or uefi)';
const CHECK_CPU = 'give the machine a newer CPU model: host under hardware virtualisation, max under emulation';
const CHECK_ROOT = 'the base’s own boot configuration is broken; does it boot elsewhere?';

const NO_DEVICE = { code: 'KIB_BOOT_NO_DEVICE', hint: CHECK_BASE } as const;
/** Firmware goes from one device to the next at once; if nothing follows, that was the last. */
const NEXT_DEVICE_MS = 6000;

/** Known last words, most telling first: the first pattern that matches a line names it. */
export const BOOT_FAILURES: readonly BootFailure[] = [
  {
    ...NO_DEVICE,
    pattern: /No bootable device|No bootable option or device was found/,
    what: 'the firmware found nothing to boot',
    graceMs: 0,
  },
  {
    ...NO_DEVICE,
    pattern: /UEFI Interactive Shell|^Shell> ?$/,
    what: 'the firmware found nothing to boot and opened its shell',
    graceMs: 0,
  },
  {
    ...NO_DEVICE,
    pattern: /^Boot failed: |BdsDxe: failed to (load|start)/,
    what: 'the firmware could not boot the disk',
    graceMs: NEXT_DEVICE_MS,
  },
  {
    ...NO_DEVICE,
    pattern: /Start PXE over IP|Start HTTP Boot|^Booting from ROM/,
    what: 'the firmware found nothing to boot and tried the network',
    graceMs: NEXT_DEVICE_MS,
  },
  {
    code: 'KIB_BOOT_LOADER',
    pattern: /grub rescue>|^Entering rescue mode\.\.\.|error: you need to load the kernel first|^grub> ?$/,
    what: 'GRUB did not find what it should load',
    hint: CHECK_ROOT,
    graceMs: 0,
  },
  {
    code: 'KIB_BOOT_CPU',
    pattern: /CPU does not support x86-64-v\d|CPU ISA level is lower than required/,
    what: 'the guest’s programs need a newer CPU than the machine has',
    hint: CHECK_CPU,
    graceMs: 0,
  },
  {
    code: 'KIB_BOOT_PANIC',
    pattern: /Kernel panic - not syncing: VFS: Unable to mount root fs/,
    what: 'the kernel panicked: it could not mount the root file system',
    hint: 'is the initramfs missing, or root= in the kernel command line wrong?',
    graceMs: 0,
  },
  {
    code: 'KIB_BOOT_PANIC',
    pattern: /Kernel panic - not syncing/,
    what: 'the kernel panicked',
    hint: 'the console lines above the panic say why; in an emulated guest it may be the emulator’s fault: try again, or with cpus: 1',
    graceMs: 0,
  },
  {
    code: 'KIB_BOOT_EMERGENCY',
    pattern: /Gave up waiting for root|^ALERT! .* does not exist|^\(initramfs\) ?$|Could not boot\.$/,
    what: 'the initramfs did not find the root file system',
    hint: CHECK_ROOT,
    graceMs: 0,
  },
  {
    code: 'KIB_BOOT_EMERGENCY',
    pattern:
      /You are in (emergency|rescue) mode|Entering emergency mode|Cannot open access to console, the root account is locked|Press Enter for maintenance/,
    what: 'the system went to emergency mode',
    hint: 'the first failed unit in the console lines is the cause',
    graceMs: 0,
  },
  {
    code: 'KIB_SEED_IGNORED',
    pattern: /DataSourceNone|Used fallback datasource/,
    what: 'cloud-init found no seed',
    hint: 'the base must read NoCloud seeds: look at datasource_list in its /etc/cloud',
    graceMs: 0,
  },
];
