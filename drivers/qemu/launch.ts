import { copyFile } from 'node:fs/promises';
import { writeSeedIso } from '../../cloudinit/iso.ts';
import type { Context, LaunchRequest } from '../../src/core/index.ts';
import { inspectBase } from '../../src/io/local-base.ts';
import { writeEmptySeed } from './credentials.ts';
import { hostFacts } from './facts.ts';
import type { QemuMachine } from './machine.ts';
import type { QemuOptions } from './options.ts';
import { startMachine } from './start.ts';

/** Boots a machine on a fresh overlay of the base. See Driver.launch for the contract; errors are KIB_… of this driver. */
export async function launch(request: LaunchRequest, options: QemuOptions, context: Context): Promise<QemuMachine> {
  const { machine, disk, credentials } = request;
  const facts = await hostFacts(machine, options, context);
  const { uefi } = facts;
  const { file: backing } = await inspectBase(request, context.signal);
  const makeFiles: Parameters<typeof startMachine>[0]['makeFiles'] = async (files) => {
    if (credentials === undefined) await writeSeedIso(request.seed, files.seed, context.signal);
    else await writeEmptySeed(files.seed);
    if (uefi?.kind === 'flash') await copyFile(uefi.vars.path, files.vars);
  };
  return startMachine({ machine, options, facts, backing, disk, credentials, makeFiles }, context);
}
