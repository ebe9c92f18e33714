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
import type { Vmx } from '../../src/io/vmx.ts';
import type { Tunnel } from '../../src/transport/tunnel.ts';
import { guestAddress } from './address.ts';
import { downloadDisk } from './download.ts';
import { keepMachine } from './keep.ts';
import type { EsxiOptions } from './options.ts';
import type { MachineParts } from './resources.ts';
import type { EsxiShell } from './shell.ts';
import { DISK } from './vmx.ts';
import type { MachineWatch, WatchEnd } from './watch.ts';

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
  readonly watch: MachineWatch;
  readonly console: FileConsole;
  readonly context: Context;
}

const SSH_PORT = 22;

export class EsxiMachine implements RunningMachine {
  readonly id: string;
  readonly slowness: number;
  // Only VMware Tools would press its power button, which a cloud image seldom has.
  readonly powerOff = 'guest';
  readonly console: FileConsole;
  readonly exited: Promise<never>;
  readonly #machine: Launched;
  #state: 'running' | 'stopping' | 'stopped' | 'released' = 'running';
  #address: Promise<string> | undefined;
  #tunnel: Promise<Tunnel> | undefined;

  constructor(machine: Launched) {
    this.#machine = machine;
    this.id = `esxi machine ${machine.name}`;
    this.slowness = machine.options.slowness;
    this.console = machine.console;
    this.exited = this.#watch();
    // Nobody has to watch it.
    this.exited.catch(() => {});
  }

  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    throwIfAborted(signal);
    const { shell, options } = this.#machine;
    const host = await this.#knownAddress(signal);
    if (options.reach === 'direct') return { host, port: SSH_PORT };
    this.#tunnel ??= this.#openTunnel({ host, port: SSH_PORT });
    const tunnel = await this.#tunnel;
    if (tunnel.isForbidden) {
      throw new KibError('KIB_HOST_UNREACHABLE', `the SSH server of ${shell.place} forwards no connections to guests`, {
        hint: 'AllowTcpForwarding yes in its sshd_config, or reach: direct where this host reaches the guests itself',
      });
    }
    return tunnel.endpoint;
  }

  async shutdown({ graceMs, signal }: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine> {
    throwIfAborted(signal);
    const { shell, vmid, name, parts, watch, context } = this.#machine;
    this.#state = 'stopping';
    // The guest was told to power off; its tools hear this too, where it has them, and may be gone already.
    await shell.vim('vmsvc/power.shutdown', [vmid], signal).catch((error: unknown) => {
      throwIfAborted(signal);
      if (!isKibError(error) || error.code !== 'KIB_ESXI') throw error;
      context.span.log('host', error.message);
    });
    if (!(await watch.endsWithin(graceMs, signal))) {
      throwIfAborted(signal);
      const tail = await this.console.tail(5);
      await this[Symbol.asyncDispose]();
      throw new KibError('KIB_SHUTDOWN', `the guest did not power off within ${graceMs / 1000} s of being asked to`, {
        hint: 'it must power itself off, or have VMware Tools that do (open-vm-tools)',
        details: { console: tail },
      });
    }
    const end = await watch.ended;
    if (end.kind === 'lost' || end.state !== 'off') throw ended(name, end);
    this.#state = 'stopped';
    await parts.running[Symbol.asyncDispose]();
    return new StoppedEsxi(this.#machine);
  }

  async release(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'released';
    const { parts, watch, shell } = this.#machine;
    parts.abandon();
    await watch[Symbol.asyncDispose]();
    // A tunnel lives as long as this process.
    await shell.unref();
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
    const { shell, vmid, name, options, context } = this.#machine;
    const timeoutMs = options.addressSeconds * 1000 * options.slowness;
    // Once known it stays: a guest that reboots asks with the same MAC address.
    if (this.#address === undefined) {
      const address = guestAddress({ shell, vmid, name, timeoutMs, clock: context.clock, signal });
      this.#address = address;
      address.catch(() => {
        if (this.#address === address) this.#address = undefined;
      });
    }
    return this.#address;
  }

  async #openTunnel(target: Endpoint): Promise<Tunnel> {
    const { shell, parts } = this.#machine;
    return parts.running.use('tunnel', await shell.tunnel(target));
  }
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

function ended(name: string, end: WatchEnd): unknown {
  if (end.kind === 'lost') return end.error;
  const how = { off: 'powered off by itself', suspended: 'was suspended', gone: 'is no longer registered' }[end.state];
  return new KibError('KIB_ESXI_EXITED', `machine ${name} ${how}`, {
    hint: 'see vmware.log in its folder on the datastore, with --on-error keep',
  });
}
