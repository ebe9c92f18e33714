import { join } from 'node:path';
import {
  type Context,
  type Endpoint,
  errorMessage,
  type FileDisk,
  isKibError,
  KibError,
  type RemoteDisk,
  type RunningMachine,
  type Scope,
  type StoppedMachine,
  throwIfAborted,
} from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { downloadDisk } from './download.ts';
import { waitForAddress } from './guest.ts';
import { pollMs, type VsphereOptions } from './options.ts';
import { powerState } from './owned.ts';
import type { AttachedSeed } from './seed.ts';

/** A machine that runs, as launch hands it over. */
export interface Launched {
  readonly vcenter: Vcenter;
  /** `vm-42`. */
  readonly vm: string;
  /** `kib-<build>-<nonce>`. */
  readonly name: string;
  /** Id of the content library. */
  readonly library: string;
  readonly folder: string;
  readonly seed: AttachedSeed;
  readonly virtualBytes: number;
  readonly options: VsphereOptions;
  /** Everything that belongs to the machine. */
  readonly parts: Scope;
  /** Takes the machine out of the build's scope. */
  readonly abandon: () => void;
  readonly context: Context;
}

const SSH_PORT = 22;
/** How long vCenter may not answer before a machine counts as lost. */
const LOST_MS = 120_000;

export class VsphereMachine implements RunningMachine {
  readonly id: string;
  readonly slowness: number;
  /** VMware Tools would do, but many bases have none. */
  readonly powerOff = 'guest';
  readonly exited: Promise<never>;
  readonly #machine: Launched;
  readonly #watching = new AbortController();
  #state: 'running' | 'stopping' | 'stopped' | 'released' = 'running';

  constructor(machine: Launched) {
    this.#machine = machine;
    this.id = `vsphere ${machine.name} (${machine.vm})`;
    this.slowness = machine.options.slowness;
    this.exited = this.#watch();
    // Nobody has to watch it.
    this.exited.catch(() => {});
  }

  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    const { vcenter, vm, options, context } = this.#machine;
    const host = await waitForAddress(vcenter, vm, options, { clock: context.clock, signal });
    return { host, port: SSH_PORT };
  }

  async shutdown({ graceMs, signal }: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine> {
    throwIfAborted(signal);
    const { vcenter, vm, options, context } = this.#machine;
    this.#state = 'stopping';
    this.#watching.abort(new Error('the machine is being stopped'));
    const deadline = context.clock.now() + graceMs;
    // The guest was told to power off; its tools hear this too, where it has them, and may be gone already.
    await vcenter
      .send({ method: 'POST', path: `/api/vcenter/vm/${vm}/guest/power`, query: { action: 'shutdown' }, signal })
      .catch((error: unknown) => {
        throwIfAborted(signal);
        if (!isKibError(error) || error.code !== 'KIB_VSPHERE') throw error;
        context.span.log('host', errorMessage(error));
      });
    while ((await powerState(vcenter, vm, signal)) !== 'POWERED_OFF') {
      if (context.clock.now() >= deadline) {
        await this[Symbol.asyncDispose]();
        throw new KibError('KIB_SHUTDOWN', `the guest did not power off within ${graceMs / 1000} s of being asked to`, {
          hint: 'open-vm-tools in the base hear vCenter’s wish; without them the guest must power itself off',
        });
      }
      await context.clock.sleep(pollMs(options), signal);
    }
    this.#state = 'stopped';
    return new StoppedVsphere(this.#machine);
  }

  async release(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'released';
    this.#watching.abort(new Error('the machine was released'));
    const { parts, abandon, vcenter } = this.#machine;
    abandon();
    parts.abandon();
    await vcenter[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A released machine is the user's, and a stopped one's disk belongs to what shutdown returned.
    if (this.#state === 'released' || this.#state === 'stopped') return;
    this.#state = 'stopping';
    this.#watching.abort(new Error('the machine is being removed'));
    await disposeParts(this.#machine);
  }

  async #watch(): Promise<never> {
    const { vcenter, vm, name, options, context } = this.#machine;
    const { clock } = context;
    const { signal } = this.#watching;
    let answeredAt = clock.now();
    try {
      for (;;) {
        await clock.sleep(pollMs(options) * 2, signal);
        let state: Awaited<ReturnType<typeof powerState>> | 'unknown' = 'unknown';
        try {
          state = await powerState(vcenter, vm, signal);
          answeredAt = clock.now();
        } catch (error) {
          throwIfAborted(signal);
          if (clock.now() - answeredAt >= LOST_MS) throw error;
        }
        if (state === 'unknown' || state === 'POWERED_ON') continue;
        const how = state === undefined ? 'was deleted' : state === 'SUSPENDED' ? 'was suspended' : 'powered off by itself';
        throw new KibError('KIB_VSPHERE_EXITED', `machine ${name} ${how}`, {
          hint: 'vCenter’s events of the machine say who did it; --on-error keep leaves it there to be looked at',
        });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return new Promise<never>(() => {});
  }
}

/** Powered off: its disk is there until this is disposed. */
class StoppedVsphere implements StoppedMachine {
  readonly #machine: Launched;
  #disk: Promise<FileDisk> | undefined;

  constructor(machine: Launched) {
    this.#machine = machine;
  }

  async seal(): Promise<RemoteDisk> {
    await this.#machine.seed.detach();
    return {
      kind: 'remote',
      id: this.#machine.vm,
      virtualBytes: this.#machine.virtualBytes,
      download: (context) => {
        this.#disk ??= this.#download(context);
        return this.#disk;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disposeParts(this.#machine);
  }

  async #download(context: Context): Promise<FileDisk> {
    const { vcenter, vm, name, library, folder, virtualBytes, options, parts } = this.#machine;
    const path = join(folder, 'disk.vmdk');
    await downloadDisk({ vcenter, vm, name, library, path }, options, { ...context, scope: parts });
    return { kind: 'file', path, format: 'vmdk', virtualBytes };
  }
}

async function disposeParts({ parts, abandon }: Launched): Promise<void> {
  try {
    await parts[Symbol.asyncDispose]();
  } finally {
    abandon();
  }
}
