import { z } from 'zod';
import { type Context, KibError, type MachineSpec, throwIfAborted } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { pollMs, taskMs, type VsphereOptions } from './options.ts';
import { machinesSchema } from './owned.ts';
import type { Placement } from './placement.ts';
import { referredTo, viTask } from './vi-json.ts';
import { finishTask, taskFailed } from './wait.ts';

/** What a machine is made of. */
export type Source =
  /** A machine of the inventory; a template of it (`isTemplate`) is shown by VI-JSON alone. */
  | { readonly kind: 'vm'; readonly id: string; readonly isTemplate: boolean }
  /** An item of a content library. */
  | { readonly kind: 'ovf' | 'vm-template'; readonly id: string };

export interface NewMachine {
  readonly name: string;
  readonly placement: Placement;
  readonly machine: MachineSpec;
  /** Values of OVF properties, for an OVF item. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** Makes a powered-off machine; its name is the caller's to own. Returns its id. */
export async function makeMachine(
  vcenter: Vcenter,
  source: Source,
  wanted: NewMachine,
  options: VsphereOptions,
  context: Context,
): Promise<string> {
  throwIfAborted(context.signal);
  const id = await makers[source.kind](vcenter, source, wanted, options, context);
  throwIfAborted(context.signal);
  return id;
}

type Maker = (vcenter: Vcenter, source: Source, wanted: NewMachine, options: VsphereOptions, context: Context) => Promise<string>;

const makers: Readonly<Record<Source['kind'], Maker>> = { vm: clone, ovf: deployOvf, 'vm-template': deployTemplate };

async function clone(
  vcenter: Vcenter,
  source: Source,
  { name, placement }: NewMachine,
  options: VsphereOptions,
  context: Context,
): Promise<string> {
  const { folder, resourcePool: resource_pool, host, datastore } = placement;
  const waiting = { timeoutMs: taskMs(options), pollMs: pollMs(options) };
  const what = `cloning ${source.id} as ${name}`;
  if (source.kind === 'vm' && source.isTemplate) {
    const moref = (type: string, value: string) => ({ _typeName: 'ManagedObjectReference', type, value });
    if (folder === undefined) {
      throw new KibError('KIB_VSPHERE_PLACEMENT', `${vcenter.server} has several datacenters: where does ${name} go?`, {
        hint: 'give driver.folder or driver.datacenter',
      });
    }
    const location = {
      _typeName: 'VirtualMachineRelocateSpec',
      pool: moref('ResourcePool', resource_pool),
      datastore: moref('Datastore', datastore.id),
      ...(host === undefined ? {} : { host: moref('HostSystem', host) }),
    };
    const spec = { _typeName: 'VirtualMachineCloneSpec', location, template: false, powerOn: false };
    const body = { folder: moref('Folder', folder), name, spec };
    return known(
      what,
      referredTo(await viTask(vcenter, { type: 'VirtualMachine', id: source.id }, 'CloneVM_Task', body, waiting, context)),
    );
  }
  const task = await vcenter.call(
    {
      method: 'POST',
      path: '/api/vcenter/vm',
      query: { action: 'clone', 'vmw-task': 'true' },
      body: { source: source.id, name, placement: { folder, resource_pool, host, datastore: datastore.id }, power_on: false },
    },
    z.string(),
  );
  const result = await finishTask(vcenter, what, task, waiting, context);
  // The API leaves open in what form the result is.
  if (typeof result === 'string') return result;
  const found = await vcenter.call({ method: 'GET', path: '/api/vcenter/vm', query: { names: name } }, machinesSchema);
  return known(what, found[0]?.vm);
}

const filterSchema = z.object({
  networks: z.array(z.string()).optional(),
  additional_params: z.array(z.looseObject({ properties: z.array(z.looseObject({ id: z.string() })).optional() })).optional(),
});
const deployedSchema = z.object({
  succeeded: z.boolean(),
  resource_id: z.object({ type: z.string(), id: z.string() }).optional(),
  error: z.unknown().optional(),
});

function deployment({ id }: Source, { resourcePool, host, folder }: Placement) {
  const target = { resource_pool_id: resourcePool, host_id: host, folder_id: folder };
  return { path: `/api/vcenter/ovf/library-item/${id}`, target };
}

async function summary(vcenter: Vcenter, source: Source, placement: Placement, signal: AbortSignal) {
  const { path, target } = deployment(source, placement);
  return vcenter.call({ method: 'POST', path, query: { action: 'filter' }, body: { target }, signal }, filterSchema);
}

/** Whether what machines are made of is an OVF with a property for user data, as cloud images for vSphere have it. */
export async function asksForUserData(
  vcenter: Vcenter,
  source: Source,
  placement: Placement,
  signal: AbortSignal,
): Promise<boolean> {
  if (source.kind !== 'ovf') return false;
  const { additional_params = [] } = await summary(vcenter, source, placement, signal);
  return additional_params.some(({ properties = [] }) => properties.some(({ id }) => id === 'user-data'));
}

async function deployOvf(
  vcenter: Vcenter,
  source: Source,
  wanted: NewMachine,
  options: VsphereOptions,
  { signal }: Context,
): Promise<string> {
  const { name, placement, properties } = wanted;
  const { path, target } = deployment(source, placement);
  const { networks = [] } = await summary(vcenter, source, placement, signal);
  const { network } = placement;
  const deployment_spec = {
    name,
    accept_all_EULA: true,
    default_datastore_id: placement.datastore.id,
    storage_provisioning: options.provisioning,
    ...(network === undefined ? {} : { network_mappings: Object.fromEntries(networks.map((theirs) => [theirs, network.id])) }),
    ...(properties === undefined ? {} : { additional_parameters: [propertyParams(properties)] }),
  };
  const what = `deploying ${source.id} as ${name}`;
  const answer = await vcenter.call(
    { method: 'POST', path, query: { action: 'deploy' }, body: { target, deployment_spec }, timeoutMs: taskMs(options) },
    deployedSchema,
  );
  // vCenter answers 200 to what failed, too.
  if (!answer.succeeded) throw taskFailed(what, answer.error);
  return known(what, answer.resource_id?.id);
}

/** com.vmware.vcenter.ovf.PropertyParams, in the form that the API takes structures of several types. */
function propertyParams(properties: Readonly<Record<string, string>>): object {
  return {
    '@class': 'com.vmware.vcenter.ovf.property_params',
    type: 'PropertyParams',
    properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
  };
}

const templateSchema = z.object({
  disks: z.record(z.string(), z.object({ capacity: z.number().optional() })),
  nics: z.record(z.string(), z.unknown()),
});

/** The one way in REST to get a larger disk. */
async function deployTemplate(
  vcenter: Vcenter,
  source: Source,
  wanted: NewMachine,
  options: VsphereOptions,
  { signal }: Context,
): Promise<string> {
  const { name, placement, machine } = wanted;
  const path = `/api/vcenter/vm-template/library-items/${source.id}`;
  const { disks, nics } = await vcenter.call({ method: 'GET', path, signal }, templateSchema);
  const smaller = Object.entries(disks).filter(([, { capacity = machine.diskBytes }]) => capacity < machine.diskBytes);
  const storage = { datastore: placement.datastore.id };
  const { network } = placement;
  const body = {
    name,
    vm_home_storage: storage,
    disk_storage: storage,
    placement: { folder: placement.folder, resource_pool: placement.resourcePool, host: placement.host },
    powered_on: false,
    hardware_customization: {
      ...(smaller.length === 1
        ? { disks_to_update: Object.fromEntries(smaller.map(([disk]) => [disk, { capacity: machine.diskBytes }])) }
        : {}),
      ...(network === undefined
        ? {}
        : { nics: Object.fromEntries(Object.keys(nics).map((nic) => [nic, { network: network.id }])) }),
    },
  };
  return vcenter.call({ method: 'POST', path, query: { action: 'deploy' }, body, timeoutMs: taskMs(options) }, z.string());
}

function known(what: string, id: string | undefined): string {
  if (id === undefined) throw new KibError('KIB_VSPHERE', `vCenter did not say what became of ${what}`);
  return id;
}
