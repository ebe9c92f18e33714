import { type Endpoint, KibError, throwIfAborted } from '../core/index.ts';
import type { Tunnel } from './tunnel.ts';

const SSH_PORT = 22;

/** How a guest's SSH server is reached. */
export interface GuestReach {
  /** Waits for the address that the hypervisor knows the guest by. */
  readonly address: (signal: AbortSignal) => Promise<string>;
  /** Opens a tunnel through the hypervisor's host, which the caller closes; undefined where this host reaches the guest itself. */
  readonly tunnel: ((target: Endpoint) => Promise<Tunnel>) | undefined;
  /** The hypervisor's host, for messages. */
  readonly place: string;
}

/** The endpoint of a machine that runs elsewhere: found and opened once. */
export class GuestEndpoint {
  readonly #reach: GuestReach;
  #address: Promise<string> | undefined;
  #tunnel: Promise<Tunnel> | undefined;

  constructor(reach: GuestReach) {
    this.#reach = reach;
  }

  /** See RunningMachine.endpoint. Throws KIB_HOST_UNREACHABLE when the host forwards nothing. */
  async get(signal: AbortSignal): Promise<Endpoint> {
    throwIfAborted(signal);
    const { tunnel: open, place } = this.#reach;
    const target = { host: await this.#knownAddress(signal), port: SSH_PORT };
    if (open === undefined) return target;
    this.#tunnel ??= open(target);
    const tunnel = await this.#tunnel;
    if (!tunnel.isForbidden) return tunnel.endpoint;
    throw new KibError('KIB_HOST_UNREACHABLE', `the SSH server of ${place} forwards no connections to guests`, {
      hint: 'AllowTcpForwarding yes in its sshd_config, or reach: direct where this host reaches the guests itself',
    });
  }

  async #knownAddress(signal: AbortSignal): Promise<string> {
    // Once known it stays: a guest that reboots asks with the same MAC address.
    if (this.#address === undefined) {
      const address = this.#reach.address(signal);
      this.#address = address;
      address.catch(() => {
        if (this.#address === address) this.#address = undefined;
      });
    }
    return this.#address;
  }
}
