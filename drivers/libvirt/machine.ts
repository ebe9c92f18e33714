import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Context,
  type Endpoint,
  type FileDisk,
  isKibError,
  KibError,
  type RunningMachine,
  type Screenshotter,
  type StoppedMachine,
  throwIfAborted,
} from '../../src/core/index.ts';
import type { FileConsole } from '../../src/io/console-file.ts';
import type { MachineParts } from '../../src/io/machine-parts.ts';
import { ppmToPng } from '../../src/io/png.ts';
import { type DiskFile, info, rebase } from '../../src/io/qemu-img.ts';
import type { Tunnel } from '../../src/transport/tunnel.ts';
import { guestAddress } from './address.ts';
import { domainStopped } from './domain.ts';
import type { MachineVolumes } from './domain-xml.ts';
import type { LibvirtOptions } from './options.ts';
import { fileBytes } from './pool.ts';
import type { Virsh } from './virsh.ts';
import type { DomainWatch, WatchEnd } from './watch.ts';

/** A machine that runs, as launch hands it over. */
export interface Launched {
  readonly virsh: Virsh;
  readonly name: string;
  readonly options: LibvirtOptions;
  readonly volumes: MachineVolumes;
  readonly parts: MachineParts;
  readonly watch: DomainWatch;
  readonly slowness: number;
  readonly console: FileConsole;
  /** The base on this host, which the downloaded disk stands on. */
  readonly base: DiskFile;
  /** Folder of this host for the machine's files. */
  readonly folder: string;
  readonly context: Context;
}

/** A guest that did not hear the power button the first time (it was still booting) is asked once more. */
const PRESSES = 2;
const SSH_PORT = 22;

export class LibvirtMachine implements RunningMachine {
  readonly id: string;
  readonly slowness: number;
  readonly console: FileConsole;
  readonly screenshotter: Screenshotter;
  readonly exited: Promise<never>;
  readonly #machine: Launched;
  #state: 'running' | 'stopping' | 'stopped' | 'released' = 'running';
  #address: Promise<string> | undefined;
  #tunnel: Promise<Tunnel> | undefined;

  constructor(machine: Launched) {
    this.#machine = machine;
    this.id = `libvirt domain ${machine.name}`;
    this.slowness = machine.slowness;
    this.console = machine.console;
    this.screenshotter = { screenshot: (path) => screenshot(machine, path) };
    this.exited = this.#watch();
    // Nobody has to watch it.
    this.exited.catch(() => {});
  }

  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    throwIfAborted(signal);
    const { virsh, options } = this.#machine;
    const host = await this.#knownAddress(signal);
    const isDirect = options.reach === 'direct' || (options.reach === 'auto' && !virsh.isRemote);
    if (isDirect || !virsh.isRemote) return { host, port: SSH_PORT };
    this.#tunnel ??= this.#openTunnel({ host, port: SSH_PORT });
    const tunnel = await this.#tunnel;
    if (tunnel.isForbidden) {
      throw new KibError('KIB_HOST_UNREACHABLE', `the SSH server of ${virsh.place} forwards no connections to guests`, {
        hint: 'AllowTcpForwarding yes in its sshd_config, or reach: direct where this host reaches the guests itself',
      });
    }
    return tunnel.endpoint;
  }

  async shutdown({ graceMs, signal }: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine> {
    throwIfAborted(signal);
    const { name, parts, watch } = this.#machine;
    this.#state = 'stopping';
    if (!(await this.#powersOff(graceMs, signal))) {
      const tail = await this.console.tail(5);
      await this[Symbol.asyncDispose]();
      throw new KibError('KIB_SHUTDOWN', `the guest did not power off within ${graceMs / 1000} s of being asked to`, {
        hint: 'it must act on the ACPI power button: systemd-logind or acpid',
        details: { console: tail },
      });
    }
    const end = await watch.ended;
    if (end.kind === 'lost' || end.state.reason !== 'shutdown') throw ended(name, end);
    this.#state = 'stopped';
    await parts.running[Symbol.asyncDispose]();
    return new StoppedLibvirt(this.#machine);
  }

  async release(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'released';
    const { parts, watch, virsh } = this.#machine;
    parts.abandon();
    await watch[Symbol.asyncDispose]();
    // The tunnel lives as long as this process.
    await virsh.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A released machine is the user's, and a stopped one's disk belongs to what shutdown returned.
    if (this.#state === 'released' || this.#state === 'stopped') return;
    this.#state = 'stopping';
    await this.#machine.parts[Symbol.asyncDispose]();
  }

  async #watch(): Promise<never> {
    const end = await this.#machine.watch.ended;
    if (this.#state === 'running') throw ended(this.#machine.name, end);
    return new Promise<never>(() => {});
  }

  async #knownAddress(signal: AbortSignal): Promise<string> {
    const { virsh, name, options, slowness, context } = this.#machine;
    const timeoutMs = options.addressSeconds * 1000 * slowness;
    // Once known it stays: a guest that reboots asks with the same MAC address.
    if (this.#address === undefined) {
      const address = guestAddress({ virsh, name, options, timeoutMs, clock: context.clock, signal });
      this.#address = address;
      address.catch(() => {
        if (this.#address === address) this.#address = undefined;
      });
    }
    return this.#address;
  }

  async #openTunnel(target: Endpoint): Promise<Tunnel> {
    const { virsh, parts } = this.#machine;
    return parts.running.use('tunnel', await virsh.tunnel(target));
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

/** Powered off: the domain is gone, its disk is a volume until this is disposed. */
class StoppedLibvirt implements StoppedMachine {
  readonly #machine: Launched;

  constructor(machine: Launched) {
    this.#machine = machine;
  }

  /** Downloads what the guest wrote; below it stands the base of this host, which never needs to come back. */
  async seal(): Promise<FileDisk> {
    const { virsh, options, volumes, base, folder, context } = this.#machine;
    const { signal, span } = context;
    const path = join(folder, 'disk.qcow2');
    const wanted = await fileBytes(virsh, options.pool, volumes.disk, signal);
    span.note(`downloading the disk from ${virsh.place}`);
    await virsh.receive(['vol-download', '--pool', options.pool, volumes.disk], path, signal);
    const { size } = await stat(path);
    if (size !== wanted) {
      throw new KibError('KIB_LIBVIRT', `volume ${volumes.disk} has ${wanted} bytes, but ${size} arrived`, { retryable: true });
    }
    await rebase({ path, format: 'qcow2' }, base, signal);
    await chmod(path, 0o400);
    const { virtualBytes } = await info({ path, format: 'qcow2' }, signal);
    return { kind: 'file', path, format: 'qcow2', virtualBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.parts[Symbol.asyncDispose]();
  }
}

function ended(name: string, end: WatchEnd): unknown {
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
