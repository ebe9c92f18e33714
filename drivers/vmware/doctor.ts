import { type Finding, isKibError, throwIfAborted } from '../../src/core/index.ts';
import { findTools } from '../../src/io/programs.ts';
import { findVmware, leaseFiles, productVersion, readableLeases, type VmwareHost, vmnetOf } from './host.ts';
import type { VmwareOptions } from './options.ts';
import { runningMachines } from './vmrun.ts';

/** What this driver needs of the host, found or not. Changes nothing. */
export async function doctor(options: VmwareOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  throwIfAborted(signal);
  const tools = await findTools(['qemu-img', ...(options.seed === 'cdrom' ? ['xorriso'] : [])]);
  let host: VmwareHost;
  try {
    host = await findVmware(options);
  } catch (error) {
    if (!isKibError(error)) throw error;
    return [
      { name: 'VMware', status: 'missing', detail: error.message, ...(error.hint === undefined ? {} : { fix: error.hint }) },
      ...tools,
    ];
  }
  return [await vmware(host, signal), ...tools, await addresses(options)];
}

async function vmware(host: VmwareHost, signal: AbortSignal): Promise<Finding> {
  const version = await productVersion(host);
  const detail = `${host.vmrun} -T ${host.product}${version === undefined ? '' : `, version ${version}`}`;
  try {
    await runningMachines(host, signal);
    return { name: 'VMware', status: 'ok', detail };
  } catch (error) {
    throwIfAborted(signal);
    if (!isKibError(error)) throw error;
    return {
      name: 'VMware',
      status: 'missing',
      detail: `${detail}: ${error.message}`,
      ...(error.hint === undefined ? {} : { fix: error.hint }),
    };
  }
}

/** The tools of the guest tell its address too, but a cloud image seldom has them. */
async function addresses(options: VmwareOptions): Promise<Finding> {
  const vmnet = await vmnetOf(options);
  const name = 'DHCP leases';
  const wanted = options.leases ?? (vmnet === undefined ? [] : leaseFiles(vmnet));
  const readable = await readableLeases(wanted);
  if (readable.length > 0) return { name, status: 'ok', detail: readable.join(', ') };
  const detail =
    vmnet === undefined && options.leases === undefined
      ? 'a bridged guest has its address from another server'
      : `none of ${wanted.join(', ')} can be read`;
  return { name, status: 'warning', detail: `${detail}; only VMware Tools in the guest can tell its address` };
}
