import type { MachineSpec, PreviewLine } from '../../src/core/index.ts';
import { MiB } from '../../src/core/index.ts';
import type { VsphereOptions } from './options.ts';

/** The calls that launch, export and publish make, in their order; what only they know stands in braces. Pure. */
export function preview(machine: MachineSpec, options: VsphereOptions): readonly PreviewLine[] {
  const { datacenter, cluster, host, resourcePool, folder, datastore, network } = options;
  const names = { datacenter, cluster, host, resourcePool, folder, datastore, network };
  return [
    call('Log in', options, 'POST /api/session', { username: options.username }),
    { title: 'Look up', argv: ['GET', '/api/vcenter/…', JSON.stringify(names)] },
    call('Find the library', options, 'POST /api/content/library?action=find', { name: options.library, type: 'LOCAL' }),
    call('Upload a local base', options, 'POST /api/content/library/item/update-session', {
      item: options.keepBases ? 'kib-base-{digest}' : '{name}-base',
      diskBytes: machine.diskBytes,
      firmware: machine.firmware,
    }),
    call('or clone a template', options, 'POST /api/vcenter/vm?action=clone&vmw-task=true', {
      source: '{base}',
      name: '{name}',
      power_on: false,
    }),
    call('Deploy the base', options, 'POST /api/vcenter/ovf/library-item/{item}?action=deploy', {
      name: '{name}',
      accept_all_EULA: true,
      storage_provisioning: options.provisioning,
      ...(options.seed === 'ovf' ? { properties: ['instance-id', 'hostname', 'user-data'] } : {}),
    }),
    call('Set processors', options, 'PATCH /api/vcenter/vm/{vm}/hardware/cpu', { count: machine.cpus, cores_per_socket: 1 }),
    call('Set memory', options, 'PATCH /api/vcenter/vm/{vm}/hardware/memory', {
      size_MiB: Math.ceil(machine.memoryBytes / MiB / 4) * 4,
    }),
    ...seed(options),
    call('Start it', options, 'POST /api/vcenter/vm/{vm}/power?action=start'),
    ...(options.address === undefined
      ? [call('Find its address', options, 'GET /api/vcenter/vm/{vm}/guest/networking/interfaces')]
      : []),
    call('Stop it', options, 'POST /api/vcenter/vm/{vm}/guest/power?action=shutdown'),
    call('For files: make an OVF of it', options, 'POST /api/vcenter/ovf/library-item', {
      source: '{vm}',
      name: '{name}-capture',
    }),
    call('and download its disk', options, 'POST /api/content/library/item/download-session'),
    ...template(options),
    call('Delete it', options, 'DELETE /api/vcenter/vm/{vm}'),
  ];
}

function seed(options: VsphereOptions): readonly PreviewLine[] {
  if (options.seed === 'ovf') return [];
  if (options.seed === 'customization')
    return [call('Give it the seed', options, 'PUT /api/vcenter/vm/{vm}/guest/customization', { type: 'CLOUDINIT' })];
  return [
    call('Upload the seed', options, 'POST /api/content/library/item', { name: '{name}-seed', type: 'iso' }),
    call('Give it the seed', options, 'POST /api/vcenter/iso/image?action=mount', { library_item: '{seed}', vm: '{vm}' }),
  ];
}

function template(options: VsphereOptions): readonly PreviewLine[] {
  const { kind, name = '{image}', library = options.library } = options.template;
  if (kind === 'library')
    return [call('For a template', options, 'POST /api/vcenter/vm-template/library-items', { source_vm: '{vm}', name, library })];
  const copy = call('For a template', options, 'POST /api/vcenter/vm?action=clone&vmw-task=true', { source: '{vm}', name });
  const mark = call('and mark it', options, 'POST /sdk/vim25/8.0.1.0/VirtualMachine/{copy}/MarkAsTemplate');
  return kind === 'inventory' ? [copy, mark] : [copy];
}

function call(title: string, { server }: VsphereOptions, what: string, body?: object): PreviewLine {
  const [method = '', path = ''] = what.split(' ');
  return { title, argv: [method, `https://${server}${path}`, ...(body === undefined ? [] : [JSON.stringify(body)])] };
}
