import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Context,
  type DiskFormat,
  type DiskPlace,
  type Freezer,
  type Frozen,
  KibError,
  throwIfAborted,
} from '../../src/core/index.ts';
import { convert, rebase } from '../../src/io/qemu-img.ts';
import { parseVmx } from '../../src/io/vmx.ts';
import { diskFile } from './deltas.ts';
import type { VmwareHost } from './host.ts';
import type { VmwareOptions } from './options.ts';
import { vmrun } from './vmrun.ts';

/** What a layer consists of. */
const LAYER = 'disk.qcow2';

/** How long VMware may take to write the guest's memory. */
const SNAPSHOT_MS = 600_000;

/** A running machine, as its freezer needs it. */
export interface Freezable {
  readonly host: VmwareHost;
  readonly vmx: string;
  readonly options: VmwareOptions;
  readonly context: Context;
}

/** What is below the disk of a machine, twice: both hold the same. */
export interface Below {
  /** Where the next layer goes, and what it will stand on there. */
  readonly place: DiskPlace;
  /** Of the place's backing file. */
  readonly format: DiskFormat;
  /** Absolute path of the VMDK that the machine's disk is a delta of. */
  readonly vmdk: string;
}

/**
 * Freezes a machine as often as one likes. `vmrun snapshot` also writes the guest's memory beside the disk: nobody needs it here, and it goes
 * with the machine's folder.
 */
export class VmwareFreezer implements Freezer {
  readonly #machine: Freezable;
  #below: Below;
  #count = 0;

  constructor(machine: Freezable, below: Below) {
    this.#machine = machine;
    this.#below = below;
  }

  async freeze({ next, signal }: Parameters<Freezer['freeze']>[0]): Promise<Frozen> {
    const { host, vmx, context } = this.#machine;
    throwIfAborted(signal);
    const frozen = await this.#disk();
    const startedAt = context.clock.now();
    // Never cut short: VMware would go on with it, and not hear that the machine is to be powered off.
    await vmrun(host, ['snapshot', vmx, `kib-${++this.#count}`], AbortSignal.timeout(SNAPSHOT_MS));
    const pausedMs = context.clock.now() - startedAt;
    throwIfAborted(signal);
    if ((await this.#disk()) === frozen) {
      throw new KibError('KIB_VMRUN', `vmrun snapshot left ${frozen} as the disk that ${vmx} writes to`, {
        hint: 'build with --cache off, and see vmware.log in the machine’s folder',
      });
    }
    await writeLayer(frozen, this.#below, signal);
    this.#below = { place: next, format: 'qcow2', vmdk: frozen };
    return { files: [LAYER], fingerprint: undefined, pausedMs };
  }

  async #disk(): Promise<string> {
    const { vmx, options } = this.#machine;
    return diskFile(parseVmx(await readFile(vmx, 'utf8')), vmx, options);
  }
}

/** Writes what a delta has itself as an overlay of the place's backing file, which need not be there yet: the VMDK below holds the same. */
async function writeLayer(delta: string, { place, format, vmdk }: Below, signal: AbortSignal): Promise<void> {
  const path = join(place.folder, LAYER);
  const source = { path: delta, format: 'vmdk' } as const;
  await convert({ source, backing: { path: vmdk, format: 'vmdk' }, target: path, targetFormat: 'qcow2', signal });
  await rebase({ path, format: 'qcow2' }, { path: place.backing, format }, signal);
}
