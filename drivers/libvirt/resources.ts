import type { Journal, Scope } from '../../src/core/index.ts';
import type { ConnectionOptions } from './options.ts';

/** Where resources are made. The journal keeps of it what another process needs to remove them. */
export interface Registrar {
  /** With absolute paths. */
  readonly connection: ConnectionOptions;
  readonly pool: string;
  /** Folder of this host for files that virsh is given; it goes with the machine. */
  readonly folder: string;
}

export type LibvirtKind = 'libvirt:domain' | 'libvirt:volume';

/** Registers a thing in journal and scope before it is made; `remove` does nothing when it was never made. */
export async function registered(
  kind: LibvirtKind,
  id: string,
  { connection, pool }: Pick<Registrar, 'connection' | 'pool'>,
  scope: Scope,
  journal: Journal,
  remove: () => Promise<unknown>,
): Promise<() => Promise<void>> {
  const released = await journal.acquire({ kind, id, data: { connection: JSON.stringify(connection), pool } });
  const forget = scope.defer(`${kind} ${id}`, async () => {
    await remove();
    await released();
  });
  // For what is handed over to somebody else: no longer ours to remove.
  return async () => {
    forget();
    await released();
  };
}
