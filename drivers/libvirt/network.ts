import { KibError } from '../../src/core/index.ts';
import type { LibvirtOptions } from './options.ts';
import { facts } from './pool.ts';
import { isNotFound, type Virsh } from './virsh.ts';

/** Throws KIB_LIBVIRT_NETWORK when libvirt has no active network of that name; a bridge is only seen when the machine starts. */
export async function requireNetwork(
  virsh: Virsh,
  { network, bridge }: Pick<LibvirtOptions, 'network' | 'bridge'>,
  signal: AbortSignal,
): Promise<void> {
  if (bridge !== undefined) return;
  try {
    if (facts(await virsh.run(['net-info', network], signal))['Active'] === 'yes') return;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new KibError('KIB_LIBVIRT_NETWORK', `libvirt of ${virsh.place} has no network ${network}`, {
      hint: 'choose one that virsh net-list --all shows, or set bridge',
      cause: error,
    });
  }
  throw new KibError('KIB_LIBVIRT_NETWORK', `network ${network} of ${virsh.place} is not active`, {
    hint: `virsh net-start ${network}`,
  });
}
