import { readFile } from 'node:fs/promises';
import { type Clock, isKibError } from '../../src/core/index.ts';
import { parseVmx, vmxValue } from '../../src/io/vmx.ts';
import type { VmwareHost } from './host.ts';
import { leaseOf } from './leases.ts';
import { vmrun } from './vmrun.ts';

const POLL_MS = 500;

/** Where to look for a machine's address. */
export interface AddressSources {
  readonly host: VmwareHost;
  readonly vmx: string;
  readonly leases: readonly string[];
  readonly clock: Clock;
}

/** Waits for the guest's IPv4 address: what VMware Tools told, else the lease of its network card. Ends with the signal. */
export async function waitForAddress(sources: AddressSources, signal: AbortSignal): Promise<string> {
  for (;;) {
    const address = (await leasedAddress(sources)) ?? (await toldAddress(sources, signal));
    if (address !== undefined) return address;
    await sources.clock.sleep(POLL_MS, signal);
  }
}

/** `vmrun getGuestIPAddress` fails until the tools of the guest run, and says `unknown` until they know. */
async function toldAddress({ host, vmx }: AddressSources, signal: AbortSignal): Promise<string | undefined> {
  try {
    const address = (await vmrun(host, ['getGuestIPAddress', vmx], signal)).trim();
    return /^\d+(\.\d+){3}$/.test(address) && address !== '0.0.0.0' ? address : undefined;
  } catch (error) {
    if (isKibError(error) && error.code === 'KIB_VMRUN') return undefined;
    throw error;
  }
}

async function leasedAddress({ vmx, leases, clock }: AddressSources): Promise<string | undefined> {
  const settings = parseVmx(await readFile(vmx, 'utf8'));
  const mac = vmxValue(settings, 'ethernet0.address') ?? vmxValue(settings, 'ethernet0.generatedAddress');
  if (mac === undefined) return undefined;
  for (const path of leases) {
    const address = leaseOf(await readFile(path, 'utf8').catch(() => ''), mac, clock.now());
    if (address !== undefined) return address;
  }
  return undefined;
}
