import { copyFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { writeSeedIso } from '../../cloudinit/iso.ts';
import { type Context, formatBytes, KibError, type LaunchRequest, localBase } from '../../src/core/index.ts';
import { CommandError } from '../../src/io/process.ts';
import { type DiskFile, info } from '../../src/io/qemu-img.ts';
import { baseFile } from './commands.ts';
import { hostFacts } from './facts.ts';
import type { QemuMachine } from './machine.ts';
import type { QemuOptions } from './options.ts';
import { startMachine } from './start.ts';

/** Boots a machine on a fresh overlay of the base. See Driver.launch for the contract; errors are KIB_… of this driver. */
export async function launch(request: LaunchRequest, options: QemuOptions, context: Context): Promise<QemuMachine> {
  const { machine, disk } = request;
  const facts = await hostFacts(machine, options, context);
  const { uefi } = facts;
  const backing = await inspectBase(request, context);
  const makeFiles: Parameters<typeof startMachine>[0]['makeFiles'] = async (files) => {
    await writeSeedIso(request.seed, files.seed, context.signal);
    if (uefi?.kind === 'flash') await copyFile(uefi.vars.path, files.vars);
  };
  return startMachine({ machine, options, facts, backing, disk, makeFiles }, context);
}

async function inspectBase(request: LaunchRequest, context: Context): Promise<DiskFile> {
  const base = localBase(request);
  // A backing file is named from the overlay's folder, so the path must not depend on ours.
  const backing = baseFile({ ...base, path: resolve(base.path) });
  if (request.disk !== undefined && backing.offset !== undefined) {
    throw new KibError('KIB_DRIVER_CANNOT', `layers cannot stand on a part of a file, and the base is one (${backing.path})`, {
      hint: 'copy it into a file of its own with qemu-img convert, or build with --cache off',
    });
  }
  let bytes: number;
  try {
    bytes = (await info(backing, context.signal)).virtualBytes;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new KibError('KIB_DRIVER_CANNOT', `the base cannot be opened as ${backing.format}: ${error.message}`, { cause: error });
  }
  if (bytes <= request.machine.diskBytes) return backing;
  throw new KibError(
    'KIB_DRIVER_CANNOT',
    `wanted a disk of ${formatBytes(request.machine.diskBytes)}, but the base already has ${formatBytes(bytes)}`,
    { hint: `disk: ${Math.ceil(bytes / 1024 ** 3)}GiB` },
  );
}
