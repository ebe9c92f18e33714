import { copyFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Context, isKibError, KibError, type ResumeRequest, throwIfAborted } from '../../src/core/index.ts';
import { hostFacts } from './facts.ts';
import { fingerprintOf } from './fingerprint.ts';
import { DISK } from './freeze.ts';
import { FROZEN_SEED, readFrozen } from './frozen.ts';
import type { QemuMachine } from './machine.ts';
import { feedMemory, lastWords, loadingProgram } from './memory.ts';
import { completed, type MigrationOptions, receive } from './migration.ts';
import type { QemuOptions } from './options.ts';
import type { QemuProcess } from './process.ts';
import { startMachine } from './start.ts';

/** Time for QEMU to say why and end, when it cannot load what it got. */
const LAST_WORDS_MS = 1000;

/** Continues a frozen machine. See MemoryAbility.resume for the contract; errors are KIB_… of this driver. */
export async function resume(request: ResumeRequest, options: QemuOptions, context: Context): Promise<QemuMachine> {
  const { machine, disk } = request;
  const { clock, signal } = context;
  throwIfAborted(signal);
  const folder = resolve(request.frozen);
  const frozen = await readFrozen(folder);
  const facts = await hostFacts(machine, options, context);
  const fingerprint = await fingerprintOf(machine, options, facts, signal);
  if (fingerprint !== frozen.fingerprint) {
    throw new KibError('KIB_RESUME', `the machine was frozen on ${frozen.fingerprint}; this one would be ${fingerprint}`, {
      details: { folder },
    });
  }
  const argv = await loadingProgram(frozen.memory);
  const backing = { path: join(folder, DISK), format: 'qcow2' } as const;
  const load = async (qemu: QemuProcess, socket: string): Promise<void> => {
    const path = join(folder, frozen.memory);
    await loadState(qemu, { socket, file: frozen.memory, path, argv, log: qemu.log, clock }, { clock, signal });
  };
  const makeFiles: Parameters<typeof startMachine>[0]['makeFiles'] = async (files, vars) => {
    await copyFile(join(folder, FROZEN_SEED), files.seed);
    if (vars !== undefined) await copyFile(join(folder, vars), files.vars);
  };
  try {
    return await startMachine({ machine, options, facts, backing, disk, makeFiles, load }, context);
  } catch (error) {
    if (!isKibError(error) || (error.code !== 'KIB_QEMU_EXITED' && error.code !== 'KIB_QMP')) throw error;
    throw new KibError('KIB_RESUME', `the machine saved in ${folder} cannot be continued: ${error.message}`, {
      cause: error,
      details: error.details,
    });
  }
}

/** Loads the state, and lets the guest go on. */
async function loadState(qemu: QemuProcess, pipe: Parameters<typeof feedMemory>[0], options: MigrationOptions): Promise<void> {
  await receive(qemu.qmp, pipe.socket, options);
  const feeder = await feedMemory(pipe);
  try {
    await completed(qemu.qmp, options);
    // It knows only at the very end whether what it gave away was right.
    const { code } = await feeder.ended;
    if (code !== 0) throw new KibError('KIB_QMP', `${pipe.argv[0]} could not read it: ${await lastWords(pipe.log)}`);
    await qemu.qmp.execute('cont', {}, options);
  } catch (error) {
    throwIfAborted(options.signal);
    if (await qemu.daemon.endsWithin(LAST_WORDS_MS)) throw new KibError('KIB_QMP', await lastWords(pipe.log), { cause: error });
    throw error;
  } finally {
    await feeder.stop();
  }
}
