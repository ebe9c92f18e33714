import { chmod, rm } from 'node:fs/promises';
import {
  type Context,
  type Endpoint,
  errorMessage,
  type FileDisk,
  KibError,
  type RunningMachine,
  type Screenshotter,
  type StoppedMachine,
  throwIfAborted,
} from '../../src/core/index.ts';
import type { FileConsole } from '../../src/io/console-file.ts';
import type { MachineParts } from '../../src/io/machine-parts.ts';
import { info } from '../../src/io/qemu-img.ts';
import type { Daemon } from './daemon.ts';
import type { QemuFreezer } from './freeze.ts';
import { describeEnd, type QemuProcess, qemuExited } from './process.ts';
import { screenshot } from './screenshot.ts';

/** A machine that runs, as launch hands it over. */
export interface Launched {
  readonly qemu: QemuProcess;
  readonly swtpm: Daemon | undefined;
  readonly parts: MachineParts;
  readonly slowness: number;
  readonly console: FileConsole;
  /** The disk it was started with. */
  readonly disk: string;
  /** Knows the disk it writes to now. */
  readonly freezer: QemuFreezer | undefined;
  /** Files that must not outlast sealing: the seed or credentials, UEFI variables, TPM state. */
  readonly secrets: readonly string[];
  readonly context: Context;
}

/** A guest that did not hear the power button the first time (it was still booting) is asked once more. */
const PRESSES = 2;

export class QemuMachine implements RunningMachine {
  readonly id: string;
  readonly slowness: number;
  readonly console: FileConsole;
  readonly screenshotter: Screenshotter;
  readonly freezer?: QemuFreezer;
  readonly exited: Promise<never>;
  readonly #machine: Launched;
  #state: 'running' | 'stopping' | 'stopped' | 'released' = 'running';

  constructor(machine: Launched) {
    const { qemu } = machine;
    this.#machine = machine;
    this.id = `qemu pid ${qemu.daemon.pid}`;
    this.slowness = machine.slowness;
    this.console = machine.console;
    this.screenshotter = { screenshot: (path) => screenshot(qemu.qmp, path, machine.context.signal) };
    if (machine.freezer !== undefined) this.freezer = machine.freezer;
    this.exited = this.#watch();
    // Nobody has to watch it.
    this.exited.catch(() => {});
  }

  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    throwIfAborted(signal);
    return { host: '127.0.0.1', port: this.#machine.qemu.port };
  }

  async shutdown({ graceMs, signal }: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine> {
    throwIfAborted(signal);
    const { qemu, parts } = this.#machine;
    this.#state = 'stopping';
    if (!(await this.#powersOff(graceMs, signal))) {
      const tail = await this.console.tail(5);
      await this[Symbol.asyncDispose]();
      throw new KibError('KIB_SHUTDOWN', `the guest did not power off within ${graceMs / 1000} s of being asked to`, {
        hint: 'it must act on the ACPI power button: systemd-logind or acpid',
        details: { console: tail },
      });
    }
    const { isClean } = await describeEnd(await qemu.daemon.ended, qemu.log);
    if (!isClean) throw await qemuExited(await qemu.daemon.ended, qemu.log);
    this.#state = 'stopped';
    await parts.running[Symbol.asyncDispose]();
    return new StoppedQemu(this.#machine);
  }

  async release(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'released';
    const { qemu, swtpm, parts } = this.#machine;
    parts.abandon();
    await qemu.qmp[Symbol.asyncDispose]();
    qemu.daemon.detach();
    swtpm?.detach();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A released machine is the user's, and a stopped one's disk belongs to what shutdown returned.
    if (this.#state === 'released' || this.#state === 'stopped') return;
    this.#state = 'stopping';
    await this.#machine.parts[Symbol.asyncDispose]();
  }

  async #watch(): Promise<never> {
    const { daemon, log } = this.#machine.qemu;
    const end = await daemon.ended;
    if (this.#state === 'running') throw await qemuExited(end, log);
    return new Promise<never>(() => {});
  }

  async #powersOff(graceMs: number, signal: AbortSignal): Promise<boolean> {
    const { daemon, qmp } = this.#machine.qemu;
    for (let press = 1; press <= PRESSES && daemon.isRunning; press++) {
      // QEMU may be gone by the time the button is pressed; that is what is waited for.
      await qmp.execute('system_powerdown', {}, { signal }).catch((error: unknown) => {
        if (daemon.isRunning && !signal.aborted) this.#machine.context.span.log('host', errorMessage(error));
      });
      await daemon.endsWithin(graceMs / PRESSES, signal);
      throwIfAborted(signal);
    }
    return !daemon.isRunning;
  }
}

/** Powered off: QEMU and its sockets are gone, the disk is there until this is disposed. */
class StoppedQemu implements StoppedMachine {
  readonly #machine: Launched;

  constructor(machine: Launched) {
    this.#machine = machine;
  }

  async seal(): Promise<FileDisk> {
    const { freezer, secrets, context } = this.#machine;
    const disk = freezer?.path ?? this.#machine.disk;
    for (const path of secrets) await rm(path, { recursive: true, force: true });
    await chmod(disk, 0o400);
    const { virtualBytes } = await info({ path: disk, format: 'qcow2' }, context.signal);
    return { kind: 'file', path: disk, format: 'qcow2', virtualBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.parts[Symbol.asyncDispose]();
  }
}
