import { type Clock, isKibError, KibError, throwIfAborted, withDeadline } from '../../src/core/index.ts';
import type { LibvirtOptions } from './options.ts';
import type { Virsh } from './virsh.ts';

const POLL_MS = 1000;

export interface AddressRequest {
  readonly virsh: Virsh;
  readonly name: string;
  readonly options: Pick<LibvirtOptions, 'bridge' | 'network'>;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Waits until libvirt knows an IPv4 address of the guest. Throws KIB_LIBVIRT_ADDRESS when the time is up. */
export async function guestAddress(request: AddressRequest): Promise<string> {
  const { virsh, name, options, timeoutMs, clock } = request;
  // A bridge's leases are given by somebody else's server.
  const sources = options.bridge === undefined ? ['lease', 'agent'] : ['agent', 'arp'];
  const where = options.bridge === undefined ? `network ${options.network}` : `bridge ${options.bridge}`;
  const onTimeout = () =>
    new KibError('KIB_LIBVIRT_ADDRESS', `the guest got no address on ${where} within ${timeoutMs / 1000} s`, {
      hint: `the console log says how far it came; virsh domifaddr ${name} asks again; addressSeconds waits longer`,
    });
  return withDeadline({ ms: timeoutMs, clock, signal: request.signal, onTimeout }, async (signal) => {
    for (;;) {
      for (const source of sources) {
        const address = parseAddress(await listing(virsh, name, source, signal));
        if (address !== undefined) return address;
      }
      await clock.sleep(POLL_MS, signal);
    }
  });
}

/** The first IPv4 address that others reach in what `virsh domifaddr` prints: ` vnet0  52:54:00:…  ipv4  192.168.122.75/24`. */
export function parseAddress(listing: string): string | undefined {
  const addresses = [...listing.matchAll(/\sipv4\s+(\d+(?:\.\d+){3})\//g)].map(([, address = '']) => address);
  return addresses.find((address) => !address.startsWith('127.') && !address.startsWith('169.254.'));
}

async function listing(virsh: Virsh, name: string, source: string, signal: AbortSignal): Promise<string> {
  try {
    return await virsh.run(['domifaddr', name, '--source', source], signal);
  } catch (error) {
    throwIfAborted(signal);
    // No agent yet, or no answer this time.
    if (isKibError(error) && (error.code === 'KIB_LIBVIRT' || error.retryable)) return '';
    throw error;
  }
}
