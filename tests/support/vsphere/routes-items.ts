import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeMachine } from './describe.ts';
import type { Item } from './library.ts';
import { networksOf, propertiesOf } from './machines.ts';
import { invalid, localizable, Refusal } from './refusal.ts';
import { type Body, created, field, ok, type Routes } from './world.ts';

/** OVFs and templates: machines made of library items, and items of machines. */
export const itemRoutes: Routes = {
  'POST /api/vcenter/ovf/library-item': async ({ machines }, _ids, { source, target, create_spec }) => {
    const item = await machines.capture(field(source, 'id'), field(target, 'library_id'), field(create_spec, 'name'));
    return created({ succeeded: true, ovf_library_item_id: item.id });
  },
  'POST /api/vcenter/ovf/library-item/*?action=filter': async ({ library }, [id = '']) => {
    const item = library.item(id);
    const ovf = await readFile(join(library.folderOf(id), item.files.find((file) => file.endsWith('.ovf')) ?? ''), 'utf8');
    return ok({ name: item.name, EULAs: [], networks: networksOf(ovf), additional_params: propertiesOf(ovf) });
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
};

function templateOf({ id, vm }: Item): string {
  if (vm === undefined) throw invalid(`The item ${id} is no VM template.`);
  return vm;
}
