import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import {
  type Context,
  type Endpoint,
  errorMessage,
  type FileDisk,
  isKibError,
  KibError,
  type RunningMachine,
  type Scope,
  type StoppedMachine,
  throwIfAborted,
} from '../../src/core/index.ts';
import type { FileConsole } from '../../src/io/console-file.ts';
import { info } from '../../src/io/qemu-img.ts';
import { parseVmx, vmxText, withoutSettings } from '../../src/io/vmx.ts';
import { isOfTheBuild } from '../../src/io/vmx-hardware.ts';
import { waitForAddress } from './address.ts';
import { DISK } from './disk.ts';
import { locksIn, type VmwareHost } from './host.ts';
import type { VmwareOptions } from './options.ts';
import { runningMachines, vmrun } from './vmrun.ts';

/** A machine that runs, as launch hands it over. */
export interface Launched {
  readonly host: VmwareHost;
  /** Absolute path of the .vmx. */
  readonly vmx: string;
  readonly folder: string;
  readonly leases: readonly string[];
  readonly options: VmwareOptions;
  /** Everything that belongs to the machine. */
  readonly parts: Scope;
  /** What powers it off. */
  readonly power: Scope;
  /** Takes the machine out of the build's scope. */
  readonly abandon: () => void;
  readonly console: FileConsole;
  readonly context: Context;
}

const POLL_MS = 500;
const SSH_PORT = 22;

export class VmwareMachine implements RunningMachine {
  readonly id: string;
  readonly slowness: number;
  readonly powerOff = 'guest';
  readonly console: FileConsole;
  readonly exited: Promise<never>;
  readonly #machine: Launched;
  readonly #watching = new AbortController();
  #state: 'running' | 'stopping' | 'stopped' | 'released' = 'running';

  constructor(machine: Launched) {
    this.#machine = machine;
    this.id = `vmware ${basename(machine.vmx, '.vmx')}`;
    this.slowness = machine.options.slowness;
    this.console = machine.console;
    this.exited = this.#watch();
    // Nobody has to watch it.
    this.exited.catch(() => {});
  }

  /** Whether nothing more comes from it. */
  get isOff(): boolean {
    return this.#state === 'stopped' || this.#watching.signal.aborted;
  }

  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    const { host, vmx, leases, context } = this.#machine;
    return { host: await waitForAddress({ host, vmx, leases, clock: context.clock }, signal), port: SSH_PORT };
  }

  async shutdown({ graceMs, signal }: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine> {
    throwIfAborted(signal);
    const { power, context } = this.#machine;
    this.#state = 'stopping';
    const deadline = context.clock.now() + graceMs;
    const isOff = await this.#askedToStop(signal, async () => {
      while (await this.#isRunning(signal)) {
        if (context.clock.now() >= deadline) return false;
        await context.clock.sleep(POLL_MS, signal);
      }
      return true;
    });
    if (!isOff) {
      const tail = await this.console.tail(5);
      await this[Symbol.asyncDispose]();
      throw new KibError('KIB_SHUTDOWN', `the guest did not power off within ${graceMs / 1000} s of being asked to`, {
        hint: 'it must power itself off, or have VMware Tools that do (open-vm-tools)',
        details: { console: tail },
      });
    }
    while ((await locksIn(this.#machine.folder)).length > 0 && context.clock.now() < deadline)
      await context.clock.sleep(POLL_MS, signal);
    this.#state = 'stopped';
    this.#watching.abort();
    await power[Symbol.asyncDispose]();
    return new StoppedVmware(this.#machine);
  }

  async release(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'released';
    this.#watching.abort();
    this.#machine.abandon();
    this.#machine.power.abandon();
    this.#machine.parts.abandon();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A released machine is the user's, and a stopped one's disk belongs to what shutdown returned.
    if (this.#state === 'released' || this.#state === 'stopped') return;
    this.#state = 'stopping';
    this.#watching.abort();
    await disposeParts(this.#machine);
  }

  async #watch(): Promise<never> {
    const { clock } = this.#machine.context;
    const { signal } = this.#watching;
    try {
      while (await this.#isRunning(signal)) await clock.sleep(POLL_MS * 4, signal);
    } catch (error) {
      if (!signal.aborted && this.#state === 'running') throw error;
    }
    if (this.#state !== 'running') return new Promise<never>(() => {});
    throw new KibError('KIB_VMWARE_EXITED', `machine ${basename(this.#machine.vmx)} powered off by itself`, {
      hint: `see ${join(this.#machine.folder, 'vmware.log')} with --on-error keep`,
    });
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

  async #isRunning(signal: AbortSignal): Promise<boolean> {
    return (await runningMachines(this.#machine.host, signal)).includes(this.#machine.vmx);
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
    await rm(join(folder, 'seed.iso'), { force: true });
    const settings = withoutSettings(parseVmx(await readFile(vmx, 'utf8')), isOfTheBuild);
    await writeFile(vmx, vmxText(settings), { mode: 0o600 });
    const path = join(folder, DISK);
    if (options.keepIn !== undefined) await this.#keep(resolve(options.keepIn), context);
    const { virtualBytes } = await info({ path, format: 'vmdk' }, context.signal);
    return { kind: 'file', path, format: 'vmdk', virtualBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disposeParts(this.#machine);
  }

  /** Only what a machine is made of; logs and swap files are of the build. */
  async #keep(target: string, context: Context): Promise<void> {
    const { folder, vmx } = this.#machine;
    const done = await context.journal.acquire({ kind: 'path', id: target });
    const forget = context.scope.defer(`folder ${target}`, () => rm(target, { recursive: true, force: true }));
    await mkdir(target);
    for (const file of [basename(vmx), DISK]) await cp(join(folder, file), join(target, file));
    forget();
    await done();
    context.span.note(`the virtual machine is kept in ${target}`);
  }
}

async function disposeParts({ parts, abandon }: Launched): Promise<void> {
  try {
    await parts[Symbol.asyncDispose]();
  } finally {
    abandon();
  }
}
