import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeMachine } from './describe.ts';
import { type FakeLibrary, type Item } from './library.ts';
import { type FakeMachines, networksOf } from './machines.ts';
import { invalid, localizable, notFound, Refusal, wrongState } from './refusal.ts';
import { viJson } from './vi-json.ts';

export interface Task {
  polls: number;
  result: Promise<unknown>;
  outcome?: { readonly value: unknown } | { readonly error: unknown };
}

/** Everything that the fake knows. */
export interface World {
  readonly version: string;
  readonly library: FakeLibrary;
  readonly machines: FakeMachines;
  readonly tasks: Map<string, Task>;
  origin: string;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Of a body that is text and no JSON. */
  readonly type?: string;
}

export interface Call {
  readonly method: string;
  readonly url: URL;
  readonly body: unknown;
}

type Body = Record<string, unknown>;
type Route = (world: World, ids: readonly string[], body: Body, url: URL) => Promise<Answer> | Answer;

const ok = (body: unknown): Answer => ({ status: 200, body });
const created = (body: unknown): Answer => ({ status: 201, body });
const done: Answer = { status: 204 };

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

const ITEM = '/api/content/library/item';
const VM = '/api/vcenter/vm';

const ROUTES: Readonly<Record<string, Route>> = {
  ...Object.fromEntries(
    Object.keys(INVENTORY).map((kind) => [
      `GET /api/vcenter/${kind}`,
      (_world: World, _ids: readonly string[], _body: Body, url: URL) => list(kind, url),
    ]),
  ),
  'GET /api/vcenter/cluster/*': () => ok({ name: 'cluster1', resource_pool: 'resgroup-1' }),
  'GET /api/content/library': ({ library }) => ok([...library.libraries.keys()]),
  'GET /api/content/library/*': ({ library }, [id = '']) => ok({ id, name: library.libraries.get(id), type: 'LOCAL' }),
  'POST /api/content/library?action=find': ({ library }, _ids, { name }) =>
    ok([...library.libraries].filter(([, other]) => other === name).map(([id]) => id)),
  'POST /api/content/local-library': ({ library }, _ids, { name }) => {
    library.libraries.set('lib-2', String(name));
    return created('lib-2');
  },
  [`POST ${ITEM}?action=find`]: ({ library }, _ids, { name, library_id, type }) =>
    ok(
      [...library.items.values()]
        .filter((item) => (name === undefined || item.name === name) && (library_id === undefined || item.library === library_id))
        .filter((item) => type === undefined || item.type === type)
        .map(({ id }) => id),
    ),
  [`POST ${ITEM}`]: async ({ library }, _ids, { name, library_id, type }) =>
    created((await library.add(String(library_id), String(name), String(type))).id),
  [`GET ${ITEM}/*`]: ({ library }, [id = '']) => ok(describeItem(library.item(id))),
  [`PATCH ${ITEM}/*`]: ({ library }, [id = ''], { name }) => {
    library.item(id).name = String(name);
    return done;
  },
  [`DELETE ${ITEM}/*`]: async ({ library, machines }, [id = '']) => {
    const { vm } = library.item(id);
    await library.remove(id);
    if (vm !== undefined) await machines.remove(vm);
    return done;
  },
  [`GET ${ITEM}/update-session`]: ({ library }, _ids, _body, url) =>
    ok([...library.updates.values()].filter(({ item }) => item === url.searchParams.get('library_item_id')).map(({ id }) => id)),
  [`POST ${ITEM}/update-session`]: ({ library }, _ids, { library_item_id }) =>
    created(library.openUpdate(String(library_item_id))),
  [`GET ${ITEM}/update-session/*`]: async ({ library }, [id = '']) => {
    const session = library.update(id);
    await library.settle(session);
    return ok(library.describeUpdate(session));
  },
  [`DELETE ${ITEM}/update-session/*`]: ({ library }, [id = '']) => {
    if (library.update(id).state === 'ACTIVE') throw wrongState('The session is active.');
    library.updates.delete(id);
    return done;
  },
  [`POST ${ITEM}/update-session/*?action=complete`]: ({ library }, [id = '']) => {
    library.update(id).left = 2;
    return done;
  },
  [`POST ${ITEM}/update-session/*?action=cancel`]: ({ library }, [id = '']) => {
    library.update(id).state = 'CANCELED';
    return done;
  },
  [`POST ${ITEM}/update-session/*/file`]: ({ library, origin }, [id = ''], { name, source_type, size }) => {
    library.update(id).files.set(String(name), typeof size === 'number' ? size : undefined);
    const upload_endpoint = { uri: `${origin}/cls/data/${id}/${encodeURIComponent(String(name))}` };
    return created({ name, source_type, size, upload_endpoint, bytes_transferred: 0, status: 'WAITING_FOR_TRANSFER' });
  },
  [`POST ${ITEM}/update-session/*/file?action=validate`]: async ({ library }, [id = '']) => {
    const missing = await library.missing(library.update(id));
    return ok({ has_errors: missing.length > 0, missing_files: missing, invalid_files: [] });
  },
  [`GET ${ITEM}/download-session`]: ({ library }, _ids, _body, url) =>
    ok(
      [...library.downloads.values()].filter(({ item }) => item === url.searchParams.get('library_item_id')).map(({ id }) => id),
    ),
  [`POST ${ITEM}/download-session`]: ({ library }, _ids, { library_item_id }) =>
    created(library.openDownload(String(library_item_id))),
  [`DELETE ${ITEM}/download-session/*`]: ({ library }, [id = '']) => {
    library.downloads.delete(library.download(id).id);
    return done;
  },
  [`POST ${ITEM}/download-session/*?action=cancel`]: ({ library }, [id = '']) => {
    library.download(id);
    return done;
  },
  [`POST ${ITEM}/download-session/*?action=keep-alive`]: ({ library }, [id = '']) => {
    library.download(id);
    return done;
  },
  [`GET ${ITEM}/download-session/*/file`]: async ({ library, origin }, [id = ''], _body, url) => {
    const session = library.download(id);
    const name = url.searchParams.get('file_name');
    if (name !== null) return ok(await library.describeDownload(session, name, origin));
    const { files } = library.item(session.item);
    return ok(await Promise.all(files.map((file) => library.describeDownload(session, file, origin))));
  },
  [`POST ${ITEM}/download-session/*/file?action=prepare`]: async ({ library, origin }, [id = ''], { file_name }) => {
    const session = library.download(id);
    session.prepared.set(String(file_name), 0);
    return ok(await library.describeDownload(session, String(file_name), origin));
  },
  'POST /api/vcenter/ovf/library-item': async ({ machines }, _ids, { source, target, create_spec }) => {
    const item = await machines.capture(field(source, 'id'), field(target, 'library_id'), field(create_spec, 'name'));
    return created({ succeeded: true, ovf_library_item_id: item.id });
  },
  'POST /api/vcenter/ovf/library-item/*?action=filter': async ({ library }, [id = '']) => {
    const item = library.item(id);
    const ovf = await readFile(join(library.folderOf(id), item.files.find((file) => file.endsWith('.ovf')) ?? ''), 'utf8');
    return ok({ name: item.name, EULAs: [], networks: networksOf(ovf), additional_params: [] });
  },
  'POST /api/vcenter/ovf/library-item/*?action=deploy': async ({ library, machines }, [id = ''], { deployment_spec }) => {
    const spec = deployment_spec as Body;
    const [params] = (spec['additional_parameters'] ?? []) as {
      readonly properties: readonly { readonly id: string; readonly value: string }[];
    }[];
    const properties = Object.fromEntries((params?.properties ?? []).map(({ id, value }) => [id, value]));
    const [network] = Object.values((spec['network_mappings'] ?? {}) as Record<string, string>);
    try {
      const machine = await machines.deploy(library.item(id), String(spec['name']), network, properties);
      return ok({ succeeded: true, resource_id: { type: 'VirtualMachine', id: machine.id } });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const errors = [{ category: 'SERVER', message: localizable(error.message) }];
      return ok({ succeeded: false, error: { errors, warnings: [], information: [] } });
    }
  },
  'POST /api/vcenter/vm-template/library-items': async ({ library, machines }, _ids, { source_vm, name, library: to }) => {
    const copy = await machines.clone(String(source_vm), `template of ${String(name)}`);
    const item = await library.add(String(to), String(name), 'vm-template', copy.id);
    return created(item.id);
  },
  'GET /api/vcenter/vm-template/library-items/*': ({ library, machines }, [id = '']) => {
    const { guest_OS, cpu, memory, disks, nics } = describeMachine(machines.machine(templateOf(library.item(id))));
    const storage = { datastore: 'datastore-1' };
    return ok({
      guest_OS,
      cpu: { count: cpu.count, cores_per_socket: 1 },
      memory: { size_MiB: memory.size_MiB },
      vm_home_storage: storage,
      disks: Object.fromEntries(Object.entries(disks).map(([key, { capacity }]) => [key, { capacity, disk_storage: storage }])),
      nics: Object.fromEntries(
        Object.keys(nics).map((key) => [key, { backing_type: 'STANDARD_PORTGROUP', mac_type: 'ASSIGNED' }]),
      ),
      vm_template: templateOf(library.item(id)),
    });
  },
  'POST /api/vcenter/vm-template/library-items/*?action=deploy': async ({ library, machines }, [id = ''], body) => {
    const copy = await machines.clone(templateOf(library.item(id)), String(body['name']));
    const updates = Object.values(
      ((body['hardware_customization'] as Body)['disks_to_update'] ?? {}) as Record<string, { capacity: number }>,
    );
    for (const { capacity } of updates) await machines.grow(copy.id, capacity);
    return ok(copy.id);
  },
  'POST /api/vcenter/iso/image?action=mount': ({ library, machines }, _ids, { library_item, vm }) => {
    const item = library.item(String(library_item));
    if (item.type !== 'iso' || item.files.length === 0) throw wrongState('The item is no ISO image.');
    const { cdroms } = machines.machine(String(vm));
    const device = String(16000 + cdroms.size);
    cdroms.set(device, { item: item.id, connected: false });
    return ok(device);
  },
  'POST /api/vcenter/iso/image?action=unmount': ({ machines }, _ids, { vm, cdrom }) => {
    if (!machines.machine(String(vm)).cdroms.delete(String(cdrom))) throw notFound(`The CD-ROM ${String(cdrom)}`);
    return done;
  },
  [`GET ${VM}`]: async ({ machines }, _ids, _body, url) => {
    const [names, vms] = [url.searchParams.getAll('names'), url.searchParams.getAll('vms')];
    const found = [...machines.all.values()]
      .filter(({ isTemplate }) => !isTemplate)
      .filter(({ name, id }) => (names.length === 0 || names.includes(name)) && (vms.length === 0 || vms.includes(id)));
    return ok(await Promise.all(found.map(async ({ id, name }) => ({ vm: id, name, power_state: await stateOf(machines, id) }))));
  },
  [`POST ${VM}?action=clone&vmw-task=true`]: ({ machines, tasks }, _ids, { source, name }) => {
    const task = `${tasks.size + 1}:com.vmware.vcenter.VM`;
    const entry: Task = { polls: 0, result: machines.clone(String(source), String(name)).then(({ id }) => id) };
    entry.result.then(
      (value) => Object.assign(entry, { outcome: { value } }),
      (error: unknown) => Object.assign(entry, { outcome: { error } }),
    );
    tasks.set(task, entry);
    return { status: 202, body: task };
  },
  [`GET ${VM}/*`]: async ({ machines }, [id = '']) => {
    await machines.isOn(id);
    return ok(describeMachine(machines.machine(id)));
  },
  [`DELETE ${VM}/*`]: async ({ machines }, [id = '']) => {
    await machines.remove(id);
    return done;
  },
  [`GET ${VM}/*/power`]: async ({ machines }, [id = '']) => ok({ state: await stateOf(machines, id) }),
  [`POST ${VM}/*/power?action=start`]: async ({ machines }, [id = '']) => {
    await machines.start(id);
    return done;
  },
  [`POST ${VM}/*/power?action=stop`]: async ({ machines }, [id = '']) => {
    await machines.stop(id);
    return done;
  },
  [`POST ${VM}/*/guest/power?action=shutdown`]: async ({ machines }, [id = '']) => {
    await machines.shutDown(id);
    return done;
  },
  [`GET ${VM}/*/guest/networking/interfaces`]: async ({ machines }, [id = '']) => {
    const address = (await machines.isOn(id)) ? await machines.addressOf(id) : undefined;
    if (address === undefined) throw new Refusal(503, 'SERVICE_UNAVAILABLE', 'VMware Tools is not running.');
    const link = { ip_address: 'fe80::1', prefix_length: 64, state: 'PREFERRED' };
    const ip_addresses = [link, { ip_address: address, prefix_length: 24, state: 'PREFERRED' }];
    return ok([{ mac_address: machines.machine(id).mac, ip: { ip_addresses }, nic: '4000' }]);
  },
  [`PUT ${VM}/*/guest/customization`]: ({ machines }, [id = ''], { spec }) => {
    machines.machine(id).customization = spec;
    return done;
  },
  [`PATCH ${VM}/*/hardware/cpu`]: ({ machines }, [id = ''], { count }) => {
    machines.machine(id).cpus = Number(count);
    return done;
  },
  [`PATCH ${VM}/*/hardware/memory`]: ({ machines }, [id = ''], { size_MiB }) => {
    if (Number(size_MiB) % 4 !== 0) throw invalid('The memory size must be a multiple of 4 MiB.');
    machines.machine(id).memoryMiB = Number(size_MiB);
    return done;
  },
  [`PATCH ${VM}/*/hardware/ethernet/*`]: ({ machines }, [id = ''], { backing }) => {
    machines.machine(id).network = field(backing, 'network');
    return done;
  },
  [`GET ${VM}/*/hardware/cdrom/*`]: ({ machines }, [id = '', device = '']) => {
    const cdrom = describeMachine(machines.machine(id)).cdroms[device];
    if (cdrom === undefined) throw notFound(`The CD-ROM ${device}`);
    return ok(cdrom);
  },
  [`PATCH ${VM}/*/hardware/cdrom/*`]: ({ machines }, [id = '', device = ''], { start_connected }) => {
    const cdrom = machines.machine(id).cdroms.get(device);
    if (cdrom === undefined) throw notFound(`The CD-ROM ${device}`);
    cdrom.connected = start_connected === true;
    return done;
  },
  [`DELETE ${VM}/*/hardware/cdrom/*`]: ({ machines }, [id = '', device = '']) => {
    if (!machines.machine(id).cdroms.delete(device)) throw notFound(`The CD-ROM ${device}`);
    return done;
  },
  'GET /api/cis/tasks/*': ({ tasks }, [id = '']) => {
    const task = tasks.get(id);
    if (task === undefined) throw notFound(`The task ${id}`);
    task.polls += 1;
    const about = {
      description: localizable('Clone'),
      service: 'com.vmware.vcenter.VM',
      operation: 'clone$task',
      cancelable: true,
    };
    if (task.outcome === undefined || task.polls < 2) {
      return ok({ ...about, status: 'RUNNING', progress: { total: 100, completed: 50, message: localizable('copying') } });
    }
    if ('value' in task.outcome) return ok({ ...about, status: 'SUCCEEDED', result: task.outcome.value });
    return ok({ ...about, status: 'FAILED', error: (task.outcome.error as Refusal).message });
  },
  'POST /api/cis/tasks/*?action=cancel': ({ tasks }, [id = '']) => {
    if (!tasks.has(id)) throw notFound(`The task ${id}`);
    return done;
  },
};

/** Finds the route of a call: by method, path with identifiers, and the parameters that tell operations apart. */
export async function answer(world: World, { method, url, body }: Call): Promise<Answer> {
  if (url.pathname.startsWith('/sdk/vim25/')) return viJson(world, { method, url, body });
  const parts = url.pathname.split('/');
  const telling = ['action', 'vmw-task'].flatMap((name) => {
    const value = url.searchParams.get(name);
    return value === null ? [] : [`${name}=${value}`];
  });
  const suffix = telling.length === 0 ? '' : `?${telling.join('&')}`;
  const fitting = Object.keys(ROUTES)
    .filter((key) => {
      const [path = ''] = key.slice(method.length + 1).split('?');
      const theirs = path.split('/');
      return (
        key.startsWith(`${method} `) &&
        key.endsWith(`${path}${suffix}`) &&
        theirs.length === parts.length &&
        theirs.every((part, index) => part === '*' || part === parts[index])
      );
    })
    .sort((a, b) => a.split('*').length - b.split('*').length);
  const [key] = fitting;
  const route = key === undefined ? undefined : ROUTES[key];
  if (key === undefined || route === undefined)
    throw new Refusal(404, 'NOT_FOUND', `The fake has no ${method} ${url.pathname}${url.search}`);
  const pattern = (key.split(' ')[1] ?? '').split('?')[0]?.split('/') ?? [];
  const ids = parts.filter((_part, index) => pattern[index] === '*').map(decodeURIComponent);
  return route(world, ids, (body ?? {}) as Body, url);
}

function describeItem({ id, name, library, type, version }: Item): unknown {
  return { id, name, library_id: library, type, content_version: String(version), cached: true };
}

function templateOf({ id, vm }: Item): string {
  if (vm === undefined) throw invalid(`The item ${id} is no VM template.`);
  return vm;
}

async function stateOf(machines: FakeMachines, id: string): Promise<string> {
  return (await machines.isOn(id)) ? 'POWERED_ON' : 'POWERED_OFF';
}

function field(value: unknown, key: string): string {
  return String((value as Body)[key]);
}
