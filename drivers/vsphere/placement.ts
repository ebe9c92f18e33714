import { z } from 'zod';
import { KibError } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import type { VsphereOptions } from './options.ts';

/** A port group; `type` is how a network card names it. */
export interface Network {
  readonly id: string;
  readonly type: 'STANDARD_PORTGROUP' | 'DISTRIBUTED_PORTGROUP' | 'OPAQUE_NETWORK';
}

/** Where a machine goes, as ids. */
export interface Placement {
  readonly datastore: { readonly id: string; readonly name: string };
  readonly resourcePool: string;
  readonly host: string | undefined;
  readonly folder: string | undefined;
  /** Undefined where a template's own is to be kept. */
  readonly network: Network | undefined;
}

interface Entry {
  readonly id: string;
  readonly name: string;
}

type Kind = 'datacenter' | 'cluster' | 'host' | 'resource-pool' | 'datastore' | 'network' | 'folder';

type Filters = Readonly<Record<string, string | undefined>>;

/** Finds everything that the options name. Throws KIB_VSPHERE_PLACEMENT, which says what there is instead. */
export async function resolvePlacement(
  vcenter: Vcenter,
  options: VsphereOptions,
  { keepsNetwork }: { readonly keepsNetwork: boolean },
  signal: AbortSignal,
): Promise<Placement> {
  const { datacenter, cluster, host, resourcePool, datastore, network } = options;
  const look = new Lookup(vcenter, options.server, signal);
  const datacenters = datacenter === undefined ? undefined : (await look.one('datacenter', datacenter)).id;
  const within = { datacenters };
  const clusters = cluster === undefined ? undefined : (await look.one('cluster', cluster, within)).id;
  const hosts = host === undefined ? undefined : (await look.one('host', host, { ...within, clusters })).id;
  const store = await look.one('datastore', datastore, within);
  const port = network === undefined && keepsNetwork ? undefined : await look.network(network, within);
  const pool =
    resourcePool === undefined
      ? await defaultPool(look, { ...within, clusters, hosts })
      : await look.path('resource-pool', resourcePool, {
          ...within,
          clusters,
          hosts: clusters === undefined ? hosts : undefined,
        });
  const folder =
    options.folder === undefined
      ? await defaultFolder(look, within)
      : await look.path('folder', options.folder, { ...within, type: 'VIRTUAL_MACHINE' });
  return { datastore: store, resourcePool: pool, host: hosts, folder, network: port };
}

/** Every compute resource has one pool that all others are in; it is called so. */
const ROOT_POOL = 'Resources';
/** What vCenter calls the folder of a datacenter's virtual machines. */
const ROOT_FOLDER = 'vm';

async function defaultPool(look: Lookup, { clusters, hosts, datacenters }: Filters): Promise<string> {
  const cluster = clusters ?? (hosts === undefined ? (await look.only('cluster', { datacenters }))?.id : undefined);
  if (cluster !== undefined) return look.poolOf(cluster);
  const filters = hosts === undefined ? { datacenters } : { hosts };
  return (
    await look.one('resource-pool', ROOT_POOL, filters, 'say where with driver.cluster, driver.host or driver.resourcePool')
  ).id;
}

/** Undefined where there are several datacenters: then a clone goes where its template is. */
async function defaultFolder(look: Lookup, within: Filters): Promise<string | undefined> {
  const roots = await look.all('folder', { ...within, type: 'VIRTUAL_MACHINE', names: ROOT_FOLDER });
  return roots.length === 1 ? roots[0]?.id : undefined;
}

const SETTINGS: Readonly<Record<Kind, string>> = {
  datacenter: 'datacenter',
  cluster: 'cluster',
  host: 'host',
  'resource-pool': 'resourcePool',
  datastore: 'datastore',
  network: 'network',
  folder: 'folder',
};

class Lookup {
  readonly #vcenter: Vcenter;
  readonly #server: string;
  readonly #signal: AbortSignal;

  constructor(vcenter: Vcenter, server: string, signal: AbortSignal) {
    this.#vcenter = vcenter;
    this.#server = server;
    this.#signal = signal;
  }

  async all(kind: Kind, filters: Filters): Promise<readonly Entry[]> {
    const key = kind.replace('-', '_');
    const rows = await this.#vcenter.call(
      { method: 'GET', path: `/api/vcenter/${kind}`, query: filters, signal: this.#signal },
      z.array(z.record(z.string(), z.unknown())),
    );
    return rows.map((row) => ({ id: String(row[key]), name: String(row['name']) }));
  }

  /** The only one there is, if it is the only one. */
  async only(kind: Kind, filters: Filters): Promise<Entry | undefined> {
    const found = await this.all(kind, filters);
    return found.length === 1 ? found[0] : undefined;
  }

  /** The one of that name, or the only one without a name. */
  async one(kind: Kind, name: string | undefined, filters: Filters = {}, hint?: string): Promise<Entry> {
    const found = await this.all(kind, { ...filters, ...(name === undefined ? {} : { names: encodeName(name) }) });
    const [first] = found;
    if (first !== undefined && found.length === 1) return first;
    throw await this.#lost(kind, name, filters, found, hint);
  }

  /** The one that a path leads to: each part below the one before. */
  async path(kind: 'folder' | 'resource-pool', path: string, filters: Filters): Promise<string> {
    const parents = kind === 'folder' ? 'parent_folders' : 'parent_resource_pools';
    let at: Entry | undefined;
    for (const part of path.split('/').filter((part) => part !== '')) {
      at = await this.one(kind, part, { ...filters, ...(at === undefined ? {} : { [parents]: at.id }) });
    }
    if (at !== undefined) return at.id;
    throw await this.#lost(kind, path, filters, [], undefined);
  }

  async network(name: string | undefined, filters: Filters): Promise<Network> {
    const { id } = await this.one('network', name, filters);
    const [row] = await this.#vcenter.call(
      { method: 'GET', path: '/api/vcenter/network', query: { networks: id }, signal: this.#signal },
      z.array(z.object({ network: z.string(), type: z.enum(['STANDARD_PORTGROUP', 'DISTRIBUTED_PORTGROUP', 'OPAQUE_NETWORK']) })),
    );
    return { id, type: row?.type ?? 'STANDARD_PORTGROUP' };
  }

  async poolOf(cluster: string): Promise<string> {
    const path = `/api/vcenter/cluster/${encodeURIComponent(cluster)}`;
    const found = await this.#vcenter.call(
      { method: 'GET', path, signal: this.#signal },
      z.object({ resource_pool: z.string() }),
    );
    return found.resource_pool;
  }

  async #lost(
    kind: Kind,
    name: string | undefined,
    filters: Filters,
    found: readonly Entry[],
    hint: string | undefined,
  ): Promise<KibError> {
    const what = kind.replace('-', ' ');
    const there = found.length > 0 ? found : await this.all(kind, filters).catch(() => []);
    const names = [...new Set(there.map((entry) => entry.name))].sort();
    const called = name === undefined ? '' : ` called ${name}`;
    const list = names.length === 0 ? 'none that this account can see' : names.slice(0, 20).join(', ');
    const setting = `driver.${SETTINGS[kind]}`;
    const message =
      found.length > 1
        ? `${this.#server} has ${found.length} of kind ${what}${called}${name === undefined ? `: ${list}` : ''}`
        : `${this.#server} has no ${what}${called}; there is ${list}`;
    const narrower =
      kind === 'folder' || kind === 'resource-pool'
        ? `give ${setting} as a path, or driver.datacenter`
        : 'give driver.datacenter';
    const advice = name === undefined ? `say which with ${setting}` : found.length > 1 ? narrower : `change ${setting}`;
    return new KibError('KIB_VSPHERE_PLACEMENT', message, {
      hint: hint ?? advice,
      details: { kind, name, found: names.slice(0, 100) },
    });
  }
}

/** vCenter keeps `%`, `/` and `\` in names as percent codes. */
function encodeName(name: string): string {
  return name.replaceAll(/[%/\\]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
}
