import type { FakeMachines, Machine } from './machines.ts';
import { notFound, Refusal } from './refusal.ts';
import type { Answer, Call, World } from './world.ts';

type Body = Record<string, unknown>;
type Options = readonly { readonly key: string; readonly value: Readonly<Record<string, string>> }[];

/** The methods and properties of the JSON form of the vSphere API that the driver uses. They are written from VMware's guide; no description judges them here. */
export async function viJson({ version, machines, tasks }: World, { method, url, body }: Call): Promise<Answer> {
  if (version < '8.0.1') throw new Refusal(404, 'NOT_FOUND', 'not here');
  const [, , , , type = '', id = '', member = ''] = url.pathname.split('/').map(decodeURIComponent);
  const given = (body ?? {}) as Body;
  const task = (work: Promise<unknown>): Answer => {
    const name = `task-${tasks.size + 1}`;
    const entry = { polls: 0, result: work } as Parameters<typeof tasks.set>[1];
    work.then(
      (value) => Object.assign(entry, { outcome: { value } }),
      (error: unknown) => Object.assign(entry, { outcome: { error } }),
    );
    tasks.set(name, entry);
    return { status: 200, body: reference('Task', name) };
  };
  switch (`${method} ${type}/${member}`) {
    case 'GET Task/info': {
      const found = tasks.get(id);
      if (found === undefined) throw notFound(id);
      const { outcome } = found;
      if (outcome === undefined) return { status: 200, body: { _typeName: 'TaskInfo', state: 'running' } };
      if ('value' in outcome) return { status: 200, body: { _typeName: 'TaskInfo', state: 'success', result: outcome.value } };
      const localizedMessage = (outcome.error as Error).message;
      return {
        status: 200,
        body: { _typeName: 'TaskInfo', state: 'error', error: { _typeName: 'LocalizedMethodFault', localizedMessage } },
      };
    }
    case 'POST SearchIndex/FindByInventoryPath': {
      const name = String(given['inventoryPath']).split('/').slice(2).join('/');
      const found = [...machines.all.values()].find((machine) => machine.name === name);
      return { status: 200, ...(found === undefined ? {} : { body: reference('VirtualMachine', found.id) }) };
    }
    case 'GET VirtualMachine/name':
      return { status: 200, body: machines.machine(id).name };
    case 'GET VirtualMachine/config': {
      const { capacity } = machines.machine(id);
      const device = [
        {
          _typeName: 'VirtualDisk',
          key: 2000,
          controllerKey: 1000,
          unitNumber: 0,
          capacityInBytes: capacity,
          capacityInKB: capacity / 1024,
        },
      ];
      return { status: 200, body: { _typeName: 'VirtualMachineConfigInfo', hardware: { _typeName: 'VirtualHardware', device } } };
    }
    case 'GET VirtualMachine/snapshot': {
      const { snapshots } = machines.machine(id);
      const rootSnapshotList = snapshots.map(({ id, name }) => ({
        _typeName: 'VirtualMachineSnapshotTree',
        snapshot: reference('VirtualMachineSnapshot', id),
        name,
      }));
      return {
        status: 200,
        ...(snapshots.length === 0 ? {} : { body: { _typeName: 'VirtualMachineSnapshotInfo', rootSnapshotList } }),
      };
    }
    case 'POST VirtualMachine/ReconfigVM_Task':
      return task(reconfigure(machines, id, given['spec'] as Body));
    case 'POST VirtualMachine/CloneVM_Task':
      return task(machines.clone(id, String(given['name'])).then((made) => reference('VirtualMachine', made.id)));
    case 'POST VirtualMachine/CreateSnapshot_Task': {
      const machine = machines.machine(id);
      machine.snapshots.push({ id: `snapshot-${machine.snapshots.length + 1}`, name: String(given['name']) });
      return task(Promise.resolve(reference('VirtualMachineSnapshot', `snapshot-${machine.snapshots.length}`)));
    }
    case 'POST VirtualMachineSnapshot/RevertToSnapshot_Task': {
      ownerOf(machines, id).extra.clear();
      return task(Promise.resolve(undefined));
    }
    case 'POST VirtualMachineSnapshot/RemoveSnapshot_Task': {
      const { snapshots } = ownerOf(machines, id);
      snapshots.splice(
        snapshots.findIndex((snapshot) => snapshot.id === id),
        1,
      );
      return task(Promise.resolve(undefined));
    }
    case 'POST VirtualMachine/MarkAsTemplate':
      machines.machine(id).isTemplate = true;
      return { status: 204 };
    case 'POST VirtualMachine/Destroy_Task':
      return task(machines.remove(id));
    default:
      throw notFound(`${method} ${type}/${member}`);
  }
}

async function reconfigure(machines: FakeMachines, id: string, spec: Body): Promise<void> {
  const machine = machines.machine(id);
  if (await machines.isOn(id))
    throw new Refusal(500, 'InvalidPowerState', 'The attempted operation cannot be performed in the current state (Powered on).');
  for (const { key, value } of (spec['extraConfig'] ?? []) as Options) {
    if (value['_value'] === '') machine.extra.delete(key);
    else machine.extra.set(key, value['_value'] ?? '');
  }
  for (const { device } of (spec['deviceChange'] ?? []) as readonly { readonly device: { readonly capacityInBytes: number } }[]) {
    await machines.grow(id, device.capacityInBytes);
  }
}

function ownerOf(machines: FakeMachines, snapshot: string): Machine {
  const found = [...machines.all.values()].find(({ snapshots }) => snapshots.some(({ id }) => id === snapshot));
  if (found === undefined) throw notFound(snapshot);
  return found;
}

function reference(type: string, value: string): unknown {
  return { _typeName: 'ManagedObjectReference', type, value };
}
