import { type Clock, isKibError, KibError, throwIfAborted, withDeadline } from '../../src/core/index.ts';
import type { EsxiShell } from './shell.ts';

const POLL_MS = 1000;

export interface AddressRequest {
  readonly shell: EsxiShell;
  readonly vmid: string;
  /** displayName of the .vmx. */
  readonly name: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Waits until the host knows an IPv4 address of the guest: told by VMware Tools, else seen on the network. Throws KIB_ESXI_ADDRESS. */
export async function guestAddress({ shell, vmid, name, timeoutMs, clock, signal }: AddressRequest): Promise<string> {
  const onTimeout = () =>
    new KibError('KIB_ESXI_ADDRESS', `${shell.place} knew no address of the guest within ${timeoutMs / 1000} s`, {
      hint: 'does its port group have a DHCP server, and is GuestIPHack on (esxcli system settings advanced set -o /Net/GuestIPHack -i 1), or VMware Tools in the guest? addressSeconds waits longer',
    });
  return withDeadline({ ms: timeoutMs, clock, signal, onTimeout }, async (soon) => {
    for (;;) {
      const address =
        (await orNothing(soon, () => toldAddress(shell, vmid, soon))) ??
        (await orNothing(soon, () => seenAddress(shell, name, soon)));
      if (address !== undefined) return address;
      await clock.sleep(POLL_MS, soon);
    }
  });
}

async function toldAddress(shell: EsxiShell, vmid: string, signal: AbortSignal): Promise<string | undefined> {
  const said = await shell.vim('vmsvc/get.guest', [vmid], signal);
  return [...said.matchAll(/ipAddress = "([\d.]+)"/g)].map(([, address = '']) => address).find(isUsable);
}

/** `esxcli network vm list`: WorldID and Name, among others; `port list -w` has IPAddress, 0.0.0.0 as long as it is not known. */
async function seenAddress(shell: EsxiShell, name: string, signal: AbortSignal): Promise<string | undefined> {
  const machines = await shell.esxcli(['network', 'vm', 'list'], signal);
  const world = machines.find(({ Name }) => Name === name)?.['WorldID'];
  if (world === undefined) return undefined;
  const ports = await shell.esxcli(['network', 'vm', 'port', 'list', '-w', world], signal);
  return ports.map(({ IPAddress = '' }) => IPAddress).find(isUsable);
}

function isUsable(address: string): boolean {
  return /^\d+(\.\d+){3}$/.test(address) && !/^(0\.|127\.|169\.254\.)/.test(address);
}

// A machine that has just been started is not in every table yet.
async function orNothing(signal: AbortSignal, work: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await work();
  } catch (error) {
    throwIfAborted(signal);
    if (isKibError(error) && (error.code === 'KIB_ESXI' || error.retryable)) return undefined;
    throw error;
  }
}
