import { type Resource, systemClock } from '../../src/core/index.ts';
import type { Product, VmwareHost } from './host.ts';
import { runningMachines, vmrun } from './vmrun.ts';

/** Journal kind of a machine that runs; `id` is its .vmx, `data` how to reach it. Its files are a `path` of their own. */
const VMWARE_MACHINE = 'vmware:machine';

const STOP_MS = 60_000;

/** What the journal has to know to power a machine off long after this process is gone. */
export function machineResource({ vmrun, product }: VmwareHost, vmx: string): Resource {
  return { kind: VMWARE_MACHINE, id: vmx, data: { vmrun, product } };
}

/** Powers off a machine that a dead build left running. */
export async function reapMachine({ id, kind, data }: Resource): Promise<string> {
  const program = data?.['vmrun'];
  const product = data?.['product'];
  if (program === undefined || product === undefined) throw new Error(`${kind} ${id} does not say how to reach it`);
  return powerOff({ vmrun: program, product: product as Product }, id, AbortSignal.timeout(STOP_MS));
}

/** Powers a machine off at once; nothing when it is off already. */
export async function powerOff(host: VmwareHost, vmx: string, signal: AbortSignal): Promise<string> {
  if (!(await runningMachines(host, signal)).includes(vmx)) return 'was off already';
  try {
    await vmrun(host, ['stop', vmx, 'hard'], signal);
  } catch (error) {
    // It may have powered itself off in between.
    if ((await runningMachines(host, signal)).includes(vmx)) throw error;
  }
  for (;;) {
    if (!(await runningMachines(host, signal)).includes(vmx)) return 'powered it off';
    await systemClock.sleep(200, signal);
  }
}
