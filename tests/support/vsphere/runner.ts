import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** What runs the fake's machines. */
export interface Runner {
  start(vmx: string): Promise<void>;
  stop(vmx: string): Promise<void>;
  /** What VMware Tools do with a wish to shut down. */
  shutDown(vmx: string): Promise<void>;
  isRunning(vmx: string): Promise<boolean>;
  /** What VMware Tools tell; undefined while they do not run. */
  addressOf(mac: string): Promise<string | undefined>;
}

/** Machines that only seem to run. `deaf` ones do not power off when asked to, `mute` ones have no VMware Tools. */
export function memoryRunner({ deaf = false, mute = false }: { readonly deaf?: boolean; readonly mute?: boolean } = {}): Runner {
  const running = new Set<string>();
  return {
    start: async (vmx) => void running.add(vmx),
    stop: async (vmx) => void running.delete(vmx),
    shutDown: async (vmx) => {
      if (!deaf) running.delete(vmx);
    },
    isRunning: async (vmx) => running.has(vmx),
    addressOf: async () => (mute ? undefined : '192.0.2.77'),
  };
}

/** Machines that QEMU runs, by the vmrun of the VMware rig; the address is that of their DHCP lease. */
export function vmrunRunner(vmrun: string, leases: string): Runner {
  const call = async (...args: readonly string[]) => (await execute(vmrun, ['-T', 'ws', ...args])).stdout;
  return {
    start: async (vmx) => void (await call('start', vmx, 'nogui')),
    stop: async (vmx) => void (await call('stop', vmx, 'hard')),
    // It waits until the machine is off, which vCenter does not.
    shutDown: async (vmx) => void call('stop', vmx, 'soft').catch(() => {}),
    isRunning: async (vmx) => (await call('list')).split('\n').includes(vmx),
    addressOf: async (mac) => {
      const text = await readFile(leases, 'utf8');
      const found = [...text.matchAll(/lease ([\d.]+) \{[^}]*hardware ethernet ([0-9a-f:]+);/g)];
      return found.findLast(([, , address]) => address === mac.toLowerCase())?.[1];
    },
  };
}
