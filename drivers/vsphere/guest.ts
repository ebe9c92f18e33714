import { z } from 'zod';
import { type Context, isKibError, KibError, throwIfAborted } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { isNotYet } from './errors.ts';
import type { VsphereOptions } from './options.ts';
import { pollMs } from './options.ts';
import { waitFor } from './wait.ts';

const interfacesSchema = z.array(
  z.object({
    ip: z.object({ ip_addresses: z.array(z.object({ ip_address: z.string(), state: z.string() })) }).optional(),
  }),
);

/** Where SSH is reached: the fixed address, or what VMware Tools tell once they run. Throws KIB_VSPHERE_ADDRESS. */
export async function waitForAddress(
  vcenter: Vcenter,
  vm: string,
  options: VsphereOptions,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<string> {
  if (options.address !== undefined) return options.address.cidr.replace(/\/\d+$/, '');
  const timeoutMs = options.addressMinutes * 60_000 * options.slowness;
  try {
    return await waitFor(`the address of ${vm}`, { timeoutMs, pollMs: pollMs(options) }, context, (signal) =>
      addressOf(vcenter, vm, signal),
    );
  } catch (error) {
    throwIfAborted(context.signal);
    if (!isKibError(error) || error.code !== 'KIB_VSPHERE_TIMEOUT') throw error;
    throw new KibError('KIB_VSPHERE_ADDRESS', `VMware Tools of ${vm} told no address within ${Math.round(timeoutMs / 1000)} s`, {
      hint: 'open-vm-tools must be in the base and its network have DHCP; or give the guest a fixed address with driver.address',
      cause: error,
    });
  }
}

/** The first usable address, IPv4 before IPv6; undefined while the tools have told none. */
async function addressOf(vcenter: Vcenter, vm: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const path = `/api/vcenter/vm/${vm}/guest/networking/interfaces`;
    const cards = await vcenter.call({ method: 'GET', path, signal }, interfacesSchema);
    const addresses = cards
      .flatMap(({ ip }) => ip?.ip_addresses ?? [])
      .filter(({ state, ip_address }) => (state === 'PREFERRED' || state === 'UNKNOWN') && isUsable(ip_address))
      .map(({ ip_address }) => ip_address);
    return addresses.find((address) => !address.includes(':')) ?? addresses[0];
  } catch (error) {
    if (isNotYet(error)) return undefined;
    throw error;
  }
}

/** Not loopback or link-local, and of no bridge that a container runtime made. */
function isUsable(address: string): boolean {
  return !/^(127\.|169\.254\.|172\.17\.0\.1$|::1$|fe80:)/i.test(address);
}
