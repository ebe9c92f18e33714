import { type MachineSpec, MiB } from '../../src/core/index.ts';
import { blockdevArgs, diskNodes, escapeValue as escape, imageNodes } from './block-nodes.ts';
import type { UefiFirmware } from './firmware.ts';
import { type QemuHost, SANDBOX } from './host.ts';
import type { QemuOptions } from './options.ts';

/** Everything a QEMU command line depends on. Paths are absolute, or placeholders in a preview. */
export interface CommandLine {
  readonly host: Pick<QemuHost, 'path' | 'machineType' | 'canSandbox'>;
  readonly acceleration: { readonly accelerator: string; readonly cpu: string };
  /** Shown in process lists and window captions; holds the build's id. */
  readonly name: string;
  readonly machine: MachineSpec;
  readonly options: QemuOptions;
  /** Undefined for BIOS, which QEMU brings itself. */
  readonly uefi: UefiFirmware | undefined;
  readonly files: MachineFiles;
  /** The image below the disk, when its node must have a name; default: QEMU opens what the disk names. */
  readonly backing?: { readonly path: string; readonly format: string };
  /** Whether the machine's state comes from elsewhere: it waits for migrate-incoming. */
  readonly isIncoming?: boolean;
}

export interface MachineFiles {
  /** qcow2 overlay. */
  readonly disk: string;
  /** Empty where the guest has credentials: its devices are the same then. */
  readonly seed: string;
  /** One system credential each, as an SMBIOS string; QEMU reads them at its start. Default: none. */
  readonly credentials?: readonly string[];
  /** Copy of the UEFI variable template. */
  readonly vars: string;
  readonly pidfile: string;
  /** Unix sockets: at most 107 bytes (unix(7)). */
  readonly qmp: string;
  readonly tpm: string;
  /** Serial port and firmware messages. */
  readonly console: string;
  readonly firmwareLog: string;
}

/** The exact QEMU command. Pure. */
export function qemuArgv(line: CommandLine): readonly string[] {
  return [
    [line.host.path, '-name', properties(`guest=${escape(line.name)}`), '-no-user-config', '-nodefaults'],
    line.host.canSandbox && line.options.sandbox ? ['-sandbox', SANDBOX] : [],
    ['-pidfile', line.files.pidfile],
    board(line),
    firmware(line),
    ['-boot', 'strict=on'],
    disk(line),
    seed(line),
    network(line),
    ['-object', 'rng-builtin,id=rng0', '-device', 'virtio-rng-pci,rng=rng0'],
    serial(line),
    ['-qmp', properties(`unix:${escape(line.files.qmp)}`, 'server=on', 'wait=off')],
    line.options.watchdog ? ['-device', 'i6300esb'] : [],
    tpm(line),
    display(line),
    generationId(line),
    credentials(line),
    line.options.args,
    line.isIncoming === true ? ['-incoming', 'defer'] : [],
  ].flat();
}

function board({ machine, host, acceleration, uefi }: CommandLine): readonly string[] {
  const flash = uefi?.kind === 'flash' ? ['pflash0=uefi-code', 'pflash1=uefi-vars'] : [];
  return [
    ['-machine', properties(host.machineType, ...flash)],
    ['-accel', acceleration.accelerator],
    ['-cpu', acceleration.cpu],
    ['-smp', String(machine.cpus)],
    ['-m', `${Math.floor(machine.memoryBytes / MiB)}M`],
  ].flat();
}

function firmware({ uefi, files }: CommandLine): readonly string[] {
  if (uefi === undefined) return [];
  if (uefi.kind === 'memory') return ['-bios', uefi.path];
  return blockdevArgs([
    ...imageNodes('uefi-code', uefi.code.format, uefi.code.path, true),
    ...imageNodes('uefi-vars', uefi.vars.format, files.vars, false),
  ]);
}

function disk({ options, files, backing }: CommandLine): readonly string[] {
  const below = backing === undefined ? [] : imageNodes('base', backing.format, backing.path, true);
  const own = diskNodes({ node: 'disk', path: files.disk, ...(backing === undefined ? {} : { backing: 'base' }) }, options);
  const drive = 'drive=disk,bootindex=1';
  const devices = {
    virtio: ['-device', `virtio-blk-pci,${drive}`],
    scsi: ['-device', 'virtio-scsi-pci,id=scsi', '-device', `scsi-hd,bus=scsi.0,${drive}`],
    sata: ['-device', 'ich9-ahci,id=sata', '-device', `ide-hd,bus=sata.0,${drive}`],
    nvme: ['-device', `nvme,serial=kib-disk,${drive}`],
  };
  return [...blockdevArgs([...below, ...own]), ...devices[options.diskInterface]];
}

// A plain read-only disk: the Debian cloud kernels have no driver for the IDE and SATA drives a CD-ROM would need.
function seed({ files }: CommandLine): readonly string[] {
  return [...blockdevArgs(imageNodes('seed', 'raw', files.seed, true)), '-device', 'virtio-blk-pci,drive=seed'];
}

// Port 0 lets the kernel choose, so that parallel builds never race for one; QMP tells which it was.
function network({ options }: CommandLine): readonly string[] {
  const model = options.networkModel === 'virtio' ? 'virtio-net-pci' : options.networkModel;
  // Without an option ROM no firmware tries to boot from the network.
  return ['-netdev', 'user,id=net0,hostfwd=tcp:127.0.0.1:0-:22', '-device', `${model},netdev=net0,romfile=`];
}

function serial({ machine, files }: CommandLine): readonly string[] {
  const port = ['-chardev', properties('file', 'id=console', `path=${escape(files.console)}`), '-serial', 'chardev:console'];
  if (machine.arch === 'arm64') return port;
  // SeaBIOS and OVMF say here, and only here, what they find to boot from.
  return [
    port,
    ['-chardev', properties('file', 'id=firmware', `path=${escape(files.firmwareLog)}`)],
    ['-device', 'isa-debugcon,iobase=0x402,chardev=firmware'],
  ].flat();
}

function tpm({ machine, options, files }: CommandLine): readonly string[] {
  if (!options.tpm) return [];
  return [
    ['-chardev', properties('socket', 'id=tpm', `path=${escape(files.tpm)}`), '-tpmdev', 'emulator,id=tpm0,chardev=tpm'],
    ['-device', `${machine.arch === 'arm64' ? 'tpm-tis-device' : 'tpm-crb'},tpmdev=tpm0`],
  ].flat();
}

function display({ machine, options }: CommandLine): readonly string[] {
  // There is always a screen, for screenshots. virtio-gpu would be a package of its own on Debian, ramfb is in every QEMU for arm64,
  // and on amd64 the keyboard is part of the board.
  const card = machine.arch === 'arm64' ? ['ramfb', 'qemu-xhci', 'usb-kbd'] : ['VGA'];
  const port = options.vncPort === undefined ? '0,to=99' : String(options.vncPort - 5900);
  return [
    card.flatMap((device) => ['-device', device]),
    ['-display', options.display === 'vnc' ? `vnc=127.0.0.1:${port}` : options.display],
  ].flat();
}

// Tells a guest that was continued from saved memory so, by being another each time: Linux then reseeds its random numbers (ACPI vmgenid).
function generationId({ machine }: CommandLine): readonly string[] {
  return machine.arch === 'amd64' ? ['-device', 'vmgenid,guid=auto'] : [];
}

// A file, since process lists show command lines.
function credentials({ files }: CommandLine): readonly string[] {
  return (files.credentials ?? []).flatMap((path) => ['-smbios', properties('type=11', `path=${escape(path)}`)]);
}

function properties(...parts: readonly string[]): string {
  return parts.join(',');
}
