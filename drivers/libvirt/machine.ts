import { readFile, rm, writeFile } from 'node:fs/promises';
import {
  type Context,
  type Endpoint,
  type FileDisk,
  isKibError,
  type RunningMachine,
  type Screenshotter,
  type StoppedMachine,
  throwIfAborted,
} from '../../src/core/index.ts';
import type { FileConsole } from '../../src/io/console-file.ts';
import { MachineLife } from '../../src/io/machine-life.ts';
import type { MachineParts } from '../../src/io/machine-parts.ts';
import { ppmToPng } from '../../src/io/png.ts';
import { info } from '../../src/io/qemu-img.ts';
import { GuestEndpoint, type GuestReach } from '../../src/transport/guest-endpoint.ts';
import { guestAddress } from './address.ts';
import { downloadDisk, type MachineDisk } from './disk.ts';
import { type DomainState, domainStopped } from './domain.ts';
import type { LibvirtFreezer } from './freeze.ts';
import type { LibvirtOptions } from './options.ts';
import type { Virsh } from './virsh.ts';
import type { DomainEnd, DomainWatch } from './watch.ts';

/** A machine that runs, as launch hands it over. */
export interface Launched {
  readonly virsh: Virsh;
  readonly name: string;
  readonly options: LibvirtOptions;
  readonly parts: MachineParts;
  readonly watch: DomainWatch;
  readonly slowness: number;
  readonly console: FileConsole;
  /** The one it was started with. */
  readonly disk: MachineDisk;
  /** Knows the one it writes to now. */
  readonly freezer: LibvirtFreezer | undefined;
  readonly context: Context;
}

/** A guest that did not hear the power button the first time (it was still booting) is asked once more. */
const PRESSES = 2;
const HINT = 'it must act on the ACPI power button: systemd-logind or acpid';

export class LibvirtMachine implements RunningMachine {
  readonly id: string;
  readonly slowness: number;
  readonly console: FileConsole;
  readonly screenshotter: Screenshotter;
  readonly freezer?: LibvirtFreezer;
  readonly #machine: Launched;
  readonly #life: MachineLife<DomainState>;
  readonly #endpoint: GuestEndpoint;

  constructor(machine: Launched) {
    const { name, slowness, parts, watch, console } = machine;
    this.#machine = machine;
    this.id = `libvirt domain ${name}`;
    this.slowness = slowness;
    this.console = console;
    this.screenshotter = { screenshot: (path) => screenshot(machine, path) };
    if (machine.freezer !== undefined) this.freezer = machine.freezer;
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
    const ask = () => this.#powersOff(graceMs, signal);
    await this.#life.shutdown({ graceMs, signal, ask, isClean: ({ reason }) => reason === 'shutdown', hint: HINT });
    return new StoppedLibvirt(this.#machine);
  }

  async release(): Promise<void> {
    // The tunnel lives as long as this process.
    await this.#life.release(() => this.#machine.virsh.unref());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life[Symbol.asyncDispose]();
  }

  async #powersOff(graceMs: number, signal: AbortSignal): Promise<boolean> {
    const { virsh, name, watch, context } = this.#machine;
    for (let press = 1; press <= PRESSES; press++) {
      // It may be off by the time the button is pressed; that is what is waited for.
      await virsh.run(['shutdown', name, '--mode', 'acpi'], signal).catch((error: unknown) => {
        throwIfAborted(signal);
        if (!isKibError(error)) throw error;
        context.span.log('host', error.message);
      });
      if (await watch.endsWithin(graceMs / PRESSES, signal)) return true;
      throwIfAborted(signal);
    }
    return false;
  }
}

function reachOf({ virsh, name, options, slowness, parts, context }: Launched): GuestReach {
  const timeoutMs = options.addressSeconds * 1000 * slowness;
  return {
    place: virsh.place,
    address: (signal) => guestAddress({ virsh, name, options, timeoutMs, clock: context.clock, signal }),
    tunnel:
      options.reach === 'direct' || !virsh.isRemote
        ? undefined
        : async (target) => parts.running.use('tunnel', await virsh.tunnel(target)),
  };
}

/** Powered off: the domain is gone, its disk is a volume until this is disposed. */
class StoppedLibvirt implements StoppedMachine {
  readonly #machine: Launched;

  constructor(machine: Launched) {
    this.#machine = machine;
  }

  /** Downloads what the guest wrote; below it stands what this host has already, which never needs to come back. */
  async seal(): Promise<FileDisk> {
    const { virsh, options, freezer, context } = this.#machine;
    const { signal, span } = context;
    const disk = freezer?.disk ?? this.#machine.disk;
    span.note(`downloading the disk from ${virsh.place}`);
    await downloadDisk(virsh, options.pool, disk, signal);
    const { virtualBytes } = await info({ path: disk.path, format: 'qcow2' }, signal);
    return { kind: 'file', path: disk.path, format: 'qcow2', virtualBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.parts[Symbol.asyncDispose]();
  }
}

function ended(name: string, end: DomainEnd): unknown {
  return end.kind === 'off' ? domainStopped(name, end.state) : end.error;
}

const PNG = Buffer.from('89504e47', 'hex');

async function screenshot({ virsh, name, context }: Launched, path: string): Promise<void> {
  const picture = `${path}.screen`;
  try {
    await virsh.receive(['screenshot', name], picture, context.signal);
    const bytes = await readFile(picture);
    // PNG since QEMU 7.1, PPM before.
    await writeFile(path, bytes.subarray(0, 4).equals(PNG) ? bytes : ppmToPng(bytes));
  } finally {
    await rm(picture, { force: true });
  }
}
