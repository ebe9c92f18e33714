import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type Context,
  type Endpoint,
  errorMessage,
  type FileDisk,
  isKibError,
  KibError,
  type RunningMachine,
  type StoppedMachine,
} from '../../src/core/index.ts';
import type { FileConsole } from '../../src/io/console-file.ts';
import { MachineLife } from '../../src/io/machine-life.ts';
import type { MachineParts } from '../../src/io/machine-parts.ts';
import type { MachineWatch, WatchEnd } from '../../src/io/machine-watch.ts';
import { info } from '../../src/io/qemu-img.ts';
import { parseVmx, vmxText, withoutSettings } from '../../src/io/vmx.ts';
import { isOfTheBuild } from '../../src/io/vmx-hardware.ts';
import { waitForAddress } from './address.ts';
import { SEED } from './config.ts';
import { diskFile } from './deltas.ts';
import type { VmwareFreezer } from './freeze.ts';
import { locksIn, type VmwareHost } from './host.ts';
import { keepMachine } from './keep.ts';
import type { VmwareOptions } from './options.ts';
import { vmrun } from './vmrun.ts';

/** A machine that runs, as launch hands it over. */
export interface Launched {
  readonly host: VmwareHost;
  /** Absolute path of the .vmx. */
  readonly vmx: string;
  readonly folder: string;
  readonly leases: readonly string[];
  readonly options: VmwareOptions;
  readonly parts: MachineParts;
  readonly watch: VmwareWatch;
  readonly console: FileConsole;
  /** Present when its disk is to become layers. */
  readonly freezer: VmwareFreezer | undefined;
  readonly context: Context;
}

/** vmrun only tells that a machine is off, not how it came to that. */
export type VmwareWatch = MachineWatch<'off'>;

const LOCK_POLL_MS = 500;
const SSH_PORT = 22;
const HINT = 'it must power itself off, or have VMware Tools that do (open-vm-tools)';

export class VmwareMachine implements RunningMachine {
  readonly id: string;
  readonly slowness: number;
  readonly powerOff = 'guest';
  readonly console: FileConsole;
  readonly freezer?: VmwareFreezer;
  readonly #machine: Launched;
  readonly #life: MachineLife<'off'>;

  constructor(machine: Launched) {
    const { options, parts, watch, console, freezer } = machine;
    this.#machine = machine;
    this.id = `vmware ${basename(machine.vmx, '.vmx')}`;
    this.slowness = options.slowness;
    this.console = console;
    if (freezer !== undefined) this.freezer = freezer;
    this.#life = new MachineLife({ parts, watch, console, unwanted: (end) => ended(machine, end) });
  }

  get exited(): Promise<never> {
    return this.#life.exited;
  }

  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    const { host, vmx, leases, context } = this.#machine;
    return { host: await waitForAddress({ host, vmx, leases, clock: context.clock }, signal), port: SSH_PORT };
  }

  async shutdown({ graceMs, signal }: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine> {
    const { watch, context, folder } = this.#machine;
    const { clock } = context;
    const ask = () =>
      this.#askedToStop(signal, async () => {
        const deadline = clock.now() + graceMs;
        if (!(await watch.endsWithin(graceMs, signal))) return false;
        while ((await locksIn(folder)).length > 0 && clock.now() < deadline) await clock.sleep(LOCK_POLL_MS, signal);
        return true;
      });
    await this.#life.shutdown({ graceMs, signal, ask, isClean: () => true, hint: HINT });
    return new StoppedVmware(this.#machine);
  }

  async release(): Promise<void> {
    await this.#life.release(async () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life[Symbol.asyncDispose]();
  }

  /**
   * The guest was told to power off; its tools hear this too, where it has them, and may be gone already. vmrun waits for the guest, for longer
   * than anybody here, so it ends with the work.
   */
  async #askedToStop<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { host, vmx, context } = this.#machine;
    const enough = new AbortController();
    const asked = vmrun(host, ['stop', vmx, 'soft'], AbortSignal.any([signal, enough.signal])).catch((error: unknown) => {
      if (isKibError(error) && error.code === 'KIB_VMRUN') context.span.log('host', errorMessage(error));
      else if (!enough.signal.aborted && !signal.aborted) throw error;
    });
    try {
      return await work();
    } finally {
      enough.abort(new Error('the guest is off, or will not be'));
      await asked;
    }
  }
}

/** Powered off: the disk is there until this is disposed. */
class StoppedVmware implements StoppedMachine {
  readonly #machine: Launched;

  constructor(machine: Launched) {
    this.#machine = machine;
  }

  async seal(): Promise<FileDisk> {
    const { folder, vmx, options, context } = this.#machine;
    await rm(join(folder, SEED), { force: true });
    const settings = withoutSettings(parseVmx(await readFile(vmx, 'utf8')), isOfTheBuild);
    await writeFile(vmx, vmxText(settings), { mode: 0o600 });
    const path = diskFile(settings, vmx, options);
    const { virtualBytes, backing } = await info({ path, format: 'vmdk' }, context.signal);
    const { keepIn } = options;
    const disk = { path, isDelta: backing !== undefined };
    if (keepIn !== undefined) await keepMachine({ disk, vmx, settings, options, keepIn }, context);
    return { kind: 'file', path, format: 'vmdk', virtualBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.parts[Symbol.asyncDispose]();
  }
}

function ended({ vmx, folder }: Launched, end: WatchEnd<'off'>): unknown {
  if (end.kind === 'lost') return end.error;
  return new KibError('KIB_VMWARE_EXITED', `machine ${basename(vmx)} powered off by itself`, {
    hint: `see ${join(folder, 'vmware.log')} with --on-error keep`,
  });
}
