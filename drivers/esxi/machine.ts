import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Context,
  type Endpoint,
  type FileDisk,
  isKibError,
  KibError,
  type RunningMachine,
  type StoppedMachine,
  throwIfAborted,
} from '../../src/core/index.ts';
import type { FileConsole } from '../../src/io/console-file.ts';
import { MachineLife } from '../../src/io/machine-life.ts';
import type { MachineParts } from '../../src/io/machine-parts.ts';
import type { Vmx } from '../../src/io/vmx.ts';
import { GuestEndpoint, type GuestReach } from '../../src/transport/guest-endpoint.ts';
import { guestAddress } from './address.ts';
import { downloadDisk } from './download.ts';
import { keepMachine } from './keep.ts';
import type { EsxiOptions } from './options.ts';
import type { EsxiShell } from './shell.ts';
import { DISK } from './vmx.ts';
import type { EsxiEnd, EsxiWatch, OffState } from './watch.ts';

/** A machine that runs, as launch hands it over. */
export interface Launched {
  readonly shell: EsxiShell;
  /** Number that vim-cmd knows it by. */
  readonly vmid: string;
  readonly name: string;
  /** Its folder on the datastore, and the one of this host. */
  readonly folder: string;
  readonly local: string;
  readonly settings: Vmx;
  readonly options: EsxiOptions;
  readonly diskBytes: number;
  readonly parts: MachineParts;
  readonly watch: EsxiWatch;
  readonly console: FileConsole;
  readonly context: Context;
}

const HINT = 'it must power itself off, or have VMware Tools that do (open-vm-tools)';

export class EsxiMachine implements RunningMachine {
  readonly id: string;
  readonly slowness: number;
  // Only VMware Tools would press its power button, which a cloud image seldom has.
  readonly powerOff = 'guest';
  readonly console: FileConsole;
  readonly #machine: Launched;
  readonly #life: MachineLife<OffState>;
  readonly #endpoint: GuestEndpoint;

  constructor(machine: Launched) {
    const { name, options, parts, watch, console } = machine;
    this.#machine = machine;
    this.id = `esxi machine ${name}`;
    this.slowness = options.slowness;
    this.console = console;
    this.#life = new MachineLife({ parts, watch, console, unwanted: (end) => ended(name, end) });
    this.#endpoint = new GuestEndpoint(reachOf(machine));
  }

  get exited(): Promise<never> {
    return this.#life.exited;
  }

  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    return this.#endpoint.get(signal);
  }

  async shutdown({ graceMs, signal }: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine> {
    const { shell, vmid, watch, context } = this.#machine;
    const ask = async (): Promise<boolean> => {
      // The guest was told to power off; its tools hear this too, where it has them, and may be gone already.
      await shell.vim('vmsvc/power.shutdown', [vmid], signal).catch((error: unknown) => {
        throwIfAborted(signal);
        if (!isKibError(error) || error.code !== 'KIB_ESXI') throw error;
        context.span.log('host', error.message);
      });
      return watch.endsWithin(graceMs, signal);
    };
    await this.#life.shutdown({ graceMs, signal, ask, isClean: (state) => state === 'off', hint: HINT });
    return new StoppedEsxi(this.#machine);
  }

  async release(): Promise<void> {
    // A tunnel lives as long as this process.
    await this.#life.release(() => this.#machine.shell.unref());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life[Symbol.asyncDispose]();
  }
}

function reachOf({ shell, vmid, name, options, parts, context }: Launched): GuestReach {
  const timeoutMs = options.addressSeconds * 1000 * options.slowness;
  return {
    place: shell.place,
    address: (signal) => guestAddress({ shell, vmid, name, timeoutMs, clock: context.clock, signal }),
    tunnel: options.reach === 'direct' ? undefined : async (target) => parts.running.use('tunnel', await shell.tunnel(target)),
  };
}

/** Powered off and no longer registered: its files are on the datastore until this is disposed. */
class StoppedEsxi implements StoppedMachine {
  readonly #machine: Launched;

  constructor(machine: Launched) {
    this.#machine = machine;
  }

  /** Downloads the disk; seed and console stay behind, and with `keepAs` become part of no machine. */
  async seal(): Promise<FileDisk> {
    const { shell, folder, local, diskBytes, options, context } = this.#machine;
    const { signal, span } = context;
    const path = join(local, 'disk.raw');
    span.note(`downloading the disk from ${shell.place}`);
    await downloadDisk(shell, { vmdk: `${folder}/${DISK}`, target: path, bytes: diskBytes }, signal);
    await chmod(path, 0o400);
    if (options.keepAs !== undefined) await keepMachine({ ...this.#machine, keepAs: options.keepAs }, context);
    return { kind: 'file', path, format: 'raw', virtualBytes: diskBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.parts[Symbol.asyncDispose]();
  }
}

function ended(name: string, end: EsxiEnd): unknown {
  if (end.kind === 'lost') return end.error;
  const how = { off: 'powered off by itself', suspended: 'was suspended', gone: 'is no longer registered' }[end.state];
  return new KibError('KIB_ESXI_EXITED', `machine ${name} ${how}`, {
    hint: 'see vmware.log in its folder on the datastore, with --on-error keep',
  });
}
