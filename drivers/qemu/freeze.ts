import { chmod, copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, type DiskPlace, type Freezer, type Frozen, throwIfAborted } from '../../src/core/index.ts';
import { create } from '../../src/io/qemu-img.ts';
import type { QmpConnection } from '../../src/io/qmp.ts';
import type { MachineFiles } from './args.ts';
import { type DiskNode, diskNodes } from './block-nodes.ts';
import { FROZEN_SEED, type FrozenMachine, type VarsFile, writeFrozen } from './frozen.ts';
import { MemorySaver, savingProgram } from './memory.ts';
import { type MigrationOptions, prepareToSend, send } from './migration.ts';
import type { QemuOptions } from './options.ts';

export const DISK = 'disk.qcow2';

/** A running machine, as its freezer needs it. */
export interface Freezable {
  readonly qmp: QmpConnection;
  readonly files: MachineFiles;
  /** Socket for the memory; nobody else uses it. */
  readonly socket: string;
  readonly log: string;
  /** Name of the variables' file when there is one. */
  readonly vars: VarsFile | undefined;
  readonly diskBytes: number;
  readonly options: QemuOptions;
  /** See MemoryAbility; it becomes that of every freeze. Undefined when memory is not to be kept. */
  readonly fingerprint: string | undefined;
  readonly context: Context;
}

type FreezeRequest = Parameters<Freezer['freeze']>[0];

/** Freezes a machine as often as one likes; each time its disk grows by one overlay. */
export class QemuFreezer implements Freezer {
  readonly #machine: Freezable;
  #folder: string;
  #disk: DiskNode;
  #count = 0;

  /** The node `disk` stands on the node `base`, and lies in `folder`. */
  constructor(machine: Freezable, folder: string) {
    this.#machine = machine;
    this.#folder = folder;
    this.#disk = { node: 'disk', path: machine.files.disk, backing: 'base' };
  }

  /** File that the machine writes to now. */
  get path(): string {
    return this.#disk.path;
  }

  async freeze({ next, memory, signal }: FreezeRequest): Promise<Frozen> {
    const { qmp, context, options, fingerprint } = this.#machine;
    const wait = { clock: context.clock, signal };
    throwIfAborted(signal);
    const [folder, old] = [this.#folder, this.#disk];
    const overlay = await this.#makeOverlay(next, wait);
    await using saver = memory && fingerprint !== undefined ? await this.#makeSaver(folder, wait) : undefined;
    const stoppedAt = context.clock.now();
    await qmp.execute('stop', {}, wait);
    await qmp.execute('blockdev-snapshot', { node: old.node, overlay: overlay.node }, wait);
    this.#disk = { ...overlay, backing: old.node };
    this.#folder = next.folder;
    const saved = saver === undefined ? undefined : await this.#saveState(saver, folder, wait);
    await qmp.execute('cont', {}, wait);
    const pausedMs = context.clock.now() - stoppedAt;
    await saved?.finish();
    const isWhole = saved !== undefined && fingerprint !== undefined;
    const files = isWhole ? await this.#describe({ v: 1, fingerprint, memory: saved.file }, folder) : [];
    // QEMU would keep the file locked against other readers, and write to it when it ends.
    await qmp.execute('blockdev-reopen', { options: diskNodes({ ...old, isReadOnly: true }, options) }, wait);
    await chmod(old.path, 0o400);
    throwIfAborted(signal);
    return { files: [DISK, ...files], fingerprint: isWhole ? fingerprint : undefined, pausedMs };
  }

  /** An empty disk, opened by QEMU, which does not look for its backing file. */
  async #makeOverlay({ folder, backing }: DiskPlace, { signal }: MigrationOptions): Promise<DiskNode> {
    const { qmp, diskBytes, options } = this.#machine;
    const disk = { node: `disk-${++this.#count}`, path: join(folder, DISK), backing: null };
    const below = { path: backing, format: 'qcow2' } as const;
    await create({ path: disk.path, format: 'qcow2', bytes: diskBytes, backing: below, isBackingLater: true }, signal);
    for (const node of diskNodes(disk, options)) await qmp.execute('blockdev-add', node, { signal });
    return disk;
  }

  async #makeSaver(folder: string, options: MigrationOptions): Promise<MemorySaver> {
    const { qmp, socket, log, context } = this.#machine;
    const { file, argv } = await savingProgram();
    await prepareToSend(qmp, options);
    return MemorySaver.listen({ socket, file, path: join(folder, file), argv, log, clock: context.clock });
  }

  /** What must be taken while the guest stands still; undefined when QEMU cannot save the state of such a machine. */
  async #saveState(saver: MemorySaver, folder: string, options: MigrationOptions): Promise<MemorySaver | undefined> {
    const { qmp, files, vars, context } = this.#machine;
    const refusal = await send(qmp, this.#machine.socket, options);
    if (refusal === undefined) {
      if (vars !== undefined) await copyFile(files.vars, join(folder, vars));
      return saver;
    }
    context.span.log('host', `only the disk is kept: ${refusal}`);
    await saver[Symbol.asyncDispose]();
    await rm(saver.path, { force: true });
    return undefined;
  }

  /** Completes a folder that memory was saved to; returns the names of its files. */
  async #describe(frozen: FrozenMachine, folder: string): Promise<readonly string[]> {
    const { files, vars } = this.#machine;
    await copyFile(files.seed, join(folder, FROZEN_SEED));
    return [frozen.memory, FROZEN_SEED, ...(vars === undefined ? [] : [vars]), await writeFrozen(folder, frozen)];
  }
}
