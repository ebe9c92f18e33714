import { type Answer, type Body, ok, type Routes, type World } from './world.ts';

/** The inventory: one datacenter with two of what must be told apart. */
const INVENTORY: Readonly<Record<string, readonly Body[]>> = {
  datacenter: [{ datacenter: 'datacenter-1', name: 'dc1' }],
  cluster: [
    { cluster: 'domain-c1', name: 'cluster1', ha_enabled: false, drs_enabled: true },
    { cluster: 'domain-c2', name: 'cluster2', ha_enabled: false, drs_enabled: true },
  ],
  host: [{ host: 'host-1', name: 'esx1.example.org', connection_state: 'CONNECTED', power_state: 'POWERED_ON' }],
  'resource-pool': [
    { resource_pool: 'resgroup-1', name: 'Resources' },
    { resource_pool: 'resgroup-2', name: 'builds' },
  ],
  datastore: [
    { datastore: 'datastore-1', name: 'datastore1', type: 'VMFS', free_space: 1e12, capacity: 2e12 },
    { datastore: 'datastore-2', name: 'datastore2', type: 'NFS', free_space: 1e12, capacity: 2e12 },
  ],
  network: [
    { network: 'network-1', name: 'VM Network', type: 'STANDARD_PORTGROUP' },
    { network: 'dvportgroup-1', name: 'twice', type: 'DISTRIBUTED_PORTGROUP' },
    { network: 'dvportgroup-2', name: 'twice', type: 'DISTRIBUTED_PORTGROUP' },
  ],
  folder: [
    { folder: 'group-v1', name: 'vm', type: 'VIRTUAL_MACHINE' },
    { folder: 'group-v2', name: 'team', type: 'VIRTUAL_MACHINE', parent: 'group-v1' },
    { folder: 'group-v3', name: 'images', type: 'VIRTUAL_MACHINE', parent: 'group-v2' },
    { folder: 'group-v4', name: 'images', type: 'VIRTUAL_MACHINE', parent: 'group-v1' },
  ],
};

function list(kind: string, url: URL): Answer {
  const names = url.searchParams.getAll('names');
  const ids = url.searchParams.getAll(`${kind.replace('-', '_')}s`);
  const parents = url.searchParams.getAll('parent_folders');
  const rows = (INVENTORY[kind] ?? [])
    .filter(({ name }) => names.length === 0 || names.includes(String(name)))
    .filter((row) => ids.length === 0 || ids.includes(String(row[kind.replace('-', '_')])))
    .filter(({ parent }) => parents.length === 0 || parents.includes(String(parent)));
  return ok(rows.map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => key !== 'parent'))));
}

export const inventoryRoutes: Routes = {
  ...Object.fromEntries(
    Object.keys(INVENTORY).map((kind) => [
      `GET /api/vcenter/${kind}`,
      (_world: World, _ids: readonly string[], _body: Body, url: URL) => list(kind, url),
    ]),
  ),
  'GET /api/vcenter/cluster/*': () => ok({ name: 'cluster1', resource_pool: 'resgroup-1' }),
};
