import { formatBytes, KibError } from '../../src/core/index.ts';
import { FULL_HINT } from './faults.ts';
import type { EsxiOptions } from './options.ts';
import type { EsxiShell } from './shell.ts';

/** The folder of a datastore that this driver keeps everything in. */
export function rootFolder({ datastore, remoteFolder }: Pick<EsxiOptions, 'datastore' | 'remoteFolder'>): string {
  return `/vmfs/volumes/${datastore}/${remoteFolder}`;
}

/** Free bytes of the datastore. Throws KIB_ESXI_DATASTORE when the host has none of that name, or cannot use it. */
export async function requireDatastore(
  shell: EsxiShell,
  { datastore }: Pick<EsxiOptions, 'datastore'>,
  signal: AbortSignal,
): Promise<number> {
  const rows = await shell.esxcli(['storage', 'filesystem', 'list'], signal);
  const row = rows.find(({ VolumeName }) => VolumeName === datastore);
  if (row === undefined) {
    const names = rows.map(({ VolumeName = '' }) => VolumeName).filter((name) => name !== '');
    throw new KibError('KIB_ESXI_DATASTORE', `${shell.place} has no datastore ${datastore}`, {
      hint:
        names.length === 0 ? 'esxcli storage filesystem list shows none at all' : `set datastore to one of: ${names.join(', ')}`,
    });
  }
  if (row['Mounted']?.toLowerCase() === 'true') return Number(row['Free']);
  throw new KibError('KIB_ESXI_DATASTORE', `datastore ${datastore} of ${shell.place} is not mounted`, {
    hint: `esxcli storage filesystem mount -l '${datastore}'`,
  });
}

/** Throws KIB_ESXI_FULL when the datastore has less room than that. */
export async function requireRoom(
  shell: EsxiShell,
  options: Pick<EsxiOptions, 'datastore'>,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  const free = await requireDatastore(shell, options, signal);
  if (free >= bytes) return;
  throw new KibError(
    'KIB_ESXI_FULL',
    `datastore ${options.datastore} of ${shell.place} has ${formatBytes(free)} free, and ${formatBytes(bytes)} are needed`,
    { hint: FULL_HINT },
  );
}

/** Throws KIB_ESXI_NETWORK when no standard switch has the port group. */
export async function requirePortGroup(
  shell: EsxiShell,
  { network }: Pick<EsxiOptions, 'network'>,
  signal: AbortSignal,
): Promise<void> {
  const rows = await shell.esxcli(['network', 'vswitch', 'standard', 'portgroup', 'list'], signal);
  if (rows.some(({ Name }) => Name === network)) return;
  const names = rows.map(({ Name = '' }) => Name).filter((name) => name !== '');
  throw new KibError('KIB_ESXI_NETWORK', `no standard switch of ${shell.place} has a port group ${network}`, {
    hint: names.length === 0 ? 'the host has none at all' : `set network to one of: ${names.join(', ')}`,
  });
}

/** Whether the host learns addresses of guests from their ARP packets. */
export async function hasGuestIpHack(shell: EsxiShell, signal: AbortSignal): Promise<boolean> {
  const [row] = await shell.esxcli(['system', 'settings', 'advanced', 'list', '-o', '/Net/GuestIPHack'], signal);
  return row?.['IntValue'] === '1';
}
