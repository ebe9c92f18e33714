import { type Context, type Freezer, type Frozen, type Scope, throwIfAborted } from '../../src/core/index.ts';
import { DISK, diskAt, downloadDisk, type MachineDisk } from './disk.ts';
import { diskTargets } from './domain-xml.ts';
import type { LibvirtOptions } from './options.ts';
import { makeVolume, volumePath } from './pool.ts';
import type { Registrar } from './resources.ts';
import type { Virsh } from './virsh.ts';

/** A running machine, as its freezer needs it. */
export interface Freezable {
  readonly virsh: Virsh;
  /** Of the domain. */
  readonly name: string;
  readonly options: Pick<LibvirtOptions, 'pool' | 'diskBus' | 'seedBus'>;
  readonly registrar: Registrar;
  readonly diskBytes: number;
  /** What the volumes of the machine's disk belong to. */
  readonly scope: Scope;
  readonly context: Context;
}

type FreezeRequest = Parameters<Freezer['freeze']>[0];

/** Freezes a machine as often as one likes; each time its disk grows by one volume, and this host gets the one below. */
export class LibvirtFreezer implements Freezer {
  readonly #machine: Freezable;
  #disk: MachineDisk;
  #count = 0;

  constructor(machine: Freezable, disk: MachineDisk) {
    this.#machine = machine;
    this.#disk = disk;
  }

  /** What the machine writes to now. */
  get disk(): MachineDisk {
    return this.#disk;
  }

  async freeze({ next, signal }: FreezeRequest): Promise<Frozen> {
    throwIfAborted(signal);
    const { virsh, name, options, context } = this.#machine;
    const { pool } = options;
    const frozen = this.#disk;
    const volume = await this.#makeOverlay(frozen.volume, { ...context, signal });
    const path = await volumePath(virsh, pool, volume, signal);
    const stoppedAt = context.clock.now();
    // Never cut short: who knows which of the two the guest would write to.
    await virsh.run(snapshotArgs(name, path, options), new AbortController().signal);
    const pausedMs = context.clock.now() - stoppedAt;
    this.#disk = diskAt(next, volume, 'qcow2');
    throwIfAborted(signal);
    await downloadDisk(virsh, pool, frozen, signal);
    return { files: [DISK], fingerprint: undefined, pausedMs };
  }

  /** An empty disk on top of the one the guest writes to. */
  async #makeOverlay(below: string, context: Context): Promise<string> {
    const { virsh, name, options, registrar, diskBytes, scope } = this.#machine;
    const volume = `${name}-${++this.#count}.qcow2`;
    const backingPath = await volumePath(virsh, options.pool, below, context.signal);
    await makeVolume(virsh, { name: volume, bytes: diskBytes, format: 'qcow2', backingPath }, registrar, scope, context);
    return volume;
  }
}

/**
 * Arguments for virsh(1) that make a running domain go on with the overlay in that file; the disk it had is not written to any more when virsh
 * ends. QEMU does not look at what the overlay names as its backing file.
 */
export function snapshotArgs(
  name: string,
  overlay: string,
  options: Pick<LibvirtOptions, 'diskBus' | 'seedBus'>,
): readonly string[] {
  const { disk, seed } = diskTargets(options);
  // A comma within a value is doubled.
  const file = overlay.replaceAll(',', ',,');
  return [
    ['snapshot-create-as', name, '--disk-only', '--no-metadata', '--atomic', '--reuse-external'],
    ['--diskspec', `${disk},snapshot=external,driver=qcow2,file=${file}`],
    ['--diskspec', `${seed},snapshot=no`],
  ].flat();
}
