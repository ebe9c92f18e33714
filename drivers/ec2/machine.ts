import type { Ec2 } from '../../src/aws/api.ts';
import type { Owned } from '../../src/aws/owned.ts';
import { waitFor } from '../../src/aws/wait.ts';
import {
  type Context,
  type Endpoint,
  isKibError,
  KibError,
  type RemoteDisk,
  type RunningMachine,
  type Scope,
  type StoppedMachine,
  throwIfAborted,
} from '../../src/core/index.ts';
import type { SshHost } from '../../src/transport/host.ts';
import { openTunnel, type Tunnel } from '../../src/transport/tunnel.ts';
import type { ConsoleLog } from './console.ts';
import { type Ec2Options, pollMs } from './options.ts';
import { describeInstance, ended } from './state.ts';

/** An instance that runs, as launch hands it over. */
export interface Launched {
  readonly ec2: Ec2;
  /** Instance id. */
  readonly id: string;
  readonly owned: Owned;
  readonly options: Ec2Options;
  /** Everything that belongs to the machine. */
  readonly parts: Scope;
  /** Takes the machine out of the build's scope. */
  readonly abandon: () => void;
  readonly bastion: SshHost | undefined;
  readonly console: ConsoleLog;
  readonly virtualBytes: number;
  readonly context: Context;
}

const SSH_PORT = 22;
/** How long EC2 may not answer before a machine counts as lost. */
const LOST_MS = 120_000;

export class Ec2Machine implements RunningMachine {
  readonly id: string;
  readonly instanceId: string;
  readonly slowness: number;
  readonly console: ConsoleLog;
  readonly exited: Promise<never>;
  readonly #machine: Launched;
  readonly #watching = new AbortController();
  #address: string | undefined;
  #tunnel: Promise<Tunnel> | undefined;
  #state: 'running' | 'stopping' | 'stopped' | 'released' = 'running';

  constructor(machine: Launched) {
    this.#machine = machine;
    this.id = `ec2 ${machine.id}`;
    this.instanceId = machine.id;
    this.slowness = machine.options.slowness;
    this.console = machine.console;
    this.exited = this.#watch();
    // Nobody has to watch it.
    this.exited.catch(() => {});
  }

  async endpoint(signal: AbortSignal): Promise<Endpoint> {
    const { bastion } = this.#machine;
    // Asked for once: an address stays until the instance is stopped, and whoever waits for SSH asks three times a second.
    this.#address ??= await this.#findAddress(signal);
    const host = this.#address;
    if (bastion === undefined) return { host, port: SSH_PORT };
    const { parts } = this.#machine;
    this.#tunnel ??= openTunnel(bastion, { host, port: SSH_PORT }).then((tunnel) => parts.use('tunnel', tunnel));
    const tunnel = await this.#tunnel;
    if (tunnel.isForbidden) {
      throw new KibError('KIB_HOST_UNREACHABLE', `${bastion.login.endpoint.host} forwards no connections to instances`, {
        hint: 'AllowTcpForwarding yes in its sshd_config',
      });
    }
    return tunnel.endpoint;
  }

  async shutdown({ graceMs, signal }: { readonly graceMs: number; readonly signal: AbortSignal }): Promise<StoppedMachine> {
    throwIfAborted(signal);
    const { ec2, id, options, context } = this.#machine;
    this.#state = 'stopping';
    this.#watching.abort(new Error('the machine is being stopped'));
    await ec2.call('StopInstances', { InstanceIds: [id] });
    // EC2 presses the button, waits by itself and pulls the plug; that takes minutes however fast the guest is.
    const timeoutMs = Math.max(graceMs, options.stopMinutes * 60_000);
    try {
      await waitFor(
        `stopping instance ${id}`,
        { timeoutMs, pollMs: pollMs(options) },
        { clock: context.clock, signal },
        async (inner) => {
          const instance = await describeInstance(ec2, id, inner);
          const state = instance?.State?.Name;
          if (instance !== undefined && (state === 'terminated' || state === 'shutting-down')) throw ended(instance);
          return state === 'stopped' ? true : undefined;
        },
      );
    } catch (error) {
      if (!isKibError(error) || error.code !== 'KIB_EC2_TIMEOUT') throw error;
      const tail = await this.console.tail(5);
      await this[Symbol.asyncDispose]();
      throw new KibError(
        'KIB_SHUTDOWN',
        `instance ${id} did not stop within ${Math.round(timeoutMs / 1000)} s of being asked to`,
        {
          hint: 'the guest must act on the ACPI power button: systemd-logind or acpid',
          details: { console: tail },
          cause: error,
        },
      );
    }
    this.#state = 'stopped';
    await this.#machine.console[Symbol.asyncDispose]();
    return new StoppedEc2(this.#machine);
  }

  async release(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'released';
    this.#watching.abort(new Error('the machine was released'));
    const { parts, abandon, console, bastion } = this.#machine;
    abandon();
    parts.abandon();
    await console[Symbol.asyncDispose]();
    // The tunnel lives as long as this process.
    await bastion?.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A released machine is the user's, and a stopped one's disk belongs to what shutdown returned.
    if (this.#state === 'released' || this.#state === 'stopped') return;
    this.#state = 'stopping';
    this.#watching.abort(new Error('the machine is being removed'));
    await disposeParts(this.#machine);
  }

  async #findAddress(signal: AbortSignal): Promise<string> {
    const { ec2, id, options, bastion, context } = this.#machine;
    const isPrivate = bastion !== undefined || options.address === 'private';
    const waiting = { timeoutMs: options.launchMinutes * 60_000, pollMs: pollMs(options) };
    const what = `the ${isPrivate ? 'private' : 'public'} address of instance ${id}`;
    return waitFor(what, waiting, { clock: context.clock, signal }, async (inner) => {
      const instance = await describeInstance(ec2, id, inner);
      return isPrivate ? instance?.PrivateIpAddress : instance?.PublicIpAddress;
    }).catch((error: unknown) => {
      if (!isKibError(error) || error.code !== 'KIB_EC2_TIMEOUT' || isPrivate) throw error;
      throw new KibError('KIB_EC2_NETWORK', `instance ${id} has no public address`, {
        hint: 'publicIp: true with a public subnet, or address: private, or a bastion',
        cause: error,
      });
    });
  }

  async #watch(): Promise<never> {
    const { ec2, id, options, context } = this.#machine;
    const { clock } = context;
    const { signal } = this.#watching;
    let answeredAt = clock.now();
    try {
      for (;;) {
        await clock.sleep(pollMs(options), signal);
        const instance = await describeInstance(ec2, id, signal).catch((error: unknown) => {
          throwIfAborted(signal);
          if (clock.now() - answeredAt >= LOST_MS) throw error;
          return undefined;
        });
        if (instance === undefined) continue;
        answeredAt = clock.now();
        if (instance.State?.Name !== 'running' && instance.State?.Name !== 'pending') throw ended(instance);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return new Promise<never>(() => {});
  }
}

/** Stopped: its volume is there until this is disposed. */
class StoppedEc2 implements StoppedMachine {
  readonly #machine: Launched;

  constructor(machine: Launched) {
    this.#machine = machine;
  }

  /** User data is an attribute of the instance, so there is nothing of the build on the disk but what the guest wrote. */
  async seal(): Promise<RemoteDisk> {
    return Promise.resolve({ kind: 'remote', id: this.#machine.id, virtualBytes: this.#machine.virtualBytes });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disposeParts(this.#machine);
  }
}

async function disposeParts({ parts, abandon }: Launched): Promise<void> {
  try {
    await parts[Symbol.asyncDispose]();
  } finally {
    abandon();
  }
}
