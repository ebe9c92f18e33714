import { describeMachine } from './describe.ts';
import type { FakeMachines } from './machines.ts';
import { invalid, notFound, Refusal, wrongState } from './refusal.ts';
import { done, field, ok, type Routes, type Task } from './world.ts';

const VM = '/api/vcenter/vm';

export const machineRoutes: Routes = {
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
};

async function stateOf(machines: FakeMachines, id: string): Promise<string> {
  return (await machines.isOn(id)) ? 'POWERED_ON' : 'POWERED_OFF';
}
