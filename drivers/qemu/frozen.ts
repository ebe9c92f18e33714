import { constants } from 'node:fs';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorMessage, KibError } from '../../src/core/index.ts';
import { MEMORY_FILES } from './memory.ts';

const FILE = 'machine.json';
/** Name of the seed in a frozen machine's folder: the guest has it attached, so it must be there, and of the same size. */
export const FROZEN_SEED = 'seed.iso';

const frozenSchema = z.strictObject({
  v: z.literal(1),
  /** As MemoryAbility.fingerprint: the one machine that this memory can be loaded into, to the last device. */
  fingerprint: z.string(),
  memory: z.enum(MEMORY_FILES),
});

/** UEFI variables, by their format. */
export type VarsFile = 'vars.fd' | 'vars.qcow2';

/** What a frozen machine's folder holds besides its disk and its seed: machine.json. */
export type FrozenMachine = z.infer<typeof frozenSchema>;

/** Writes machine.json; returns its name. */
export async function writeFrozen(folder: string, frozen: FrozenMachine): Promise<string> {
  await writeFile(join(folder, FILE), `${JSON.stringify(frozen, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
  return FILE;
}

/** Throws KIB_RESUME when the folder does not hold a machine that was frozen with its memory. */
export async function readFrozen(folder: string): Promise<FrozenMachine> {
  try {
    const frozen = frozenSchema.parse(JSON.parse(await readFile(join(folder, FILE), 'utf8')));
    for (const name of [frozen.memory, FROZEN_SEED]) await access(join(folder, name), constants.R_OK);
    return frozen;
  } catch (error) {
    throw new KibError('KIB_RESUME', `${folder} holds no machine that can be continued: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
