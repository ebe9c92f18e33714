import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Context, KibError, type MachineSpec, throwIfAborted, withScope } from '../../src/core/index.ts';
import { makeOwnFolder } from '../../src/io/own-path.ts';
import { type Acceleration, chooseAcceleration } from './accel.ts';
import { requireLevel } from './cpu.ts';
import { descriptorDirs, findUefi, readDescriptors, type UefiFirmware } from './firmware.ts';
import { inspectQemu, type QemuHost } from './host.ts';
import type { QemuOptions } from './options.ts';
import { findSwtpm } from './swtpm.ts';

/** What this host has for a machine. */
export interface HostFacts {
  readonly qemu: QemuHost;
  /** Undefined for BIOS. */
  readonly uefi: UefiFirmware | undefined;
  /** Path of swtpm, when the machine gets a TPM. */
  readonly swtpm: string | undefined;
  readonly acceleration: Acceleration;
}

/** Looks for everything a machine needs, before anything is made for it. Throws as launch does. */
export async function hostFacts(machine: MachineSpec, options: QemuOptions, context: Context): Promise<HostFacts> {
  const { signal, dirs } = context;
  throwIfAborted(signal);
  requireLevel(options.cpuModel, machine);
  if (machine.arch === 'arm64' && machine.firmware === 'bios') {
    throw new KibError('KIB_DRIVER_CANNOT', 'there is no BIOS for arm64', { hint: 'firmware: uefi' });
  }
  const qemu = await inspectQemu(machine.arch, options, signal);
  const uefi =
    machine.firmware === 'uefi'
      ? await findUefi(await readDescriptors(await descriptorDirs(qemu.path)), machine.arch, qemu.machineType)
      : undefined;
  const swtpm = options.tpm ? await findSwtpm() : undefined;
  const probes = { folder: dirs.cache, isRenewed: false };
  const acceleration = await withScope(async (scope) => {
    const makeFolder = () =>
      makeOwnFolder(join(dirs.work, `probe-${randomBytes(4).toString('hex')}`), { scope, journal: context.journal });
    return chooseAcceleration({ machine, options, qemu, makeFolder, probes, signal });
  });
  throwIfAborted(signal);
  return { qemu, uefi, swtpm, acceleration };
}
