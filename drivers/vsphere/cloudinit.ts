import { z } from 'zod';
import { guestinfoSeed } from '../../cloudinit/index.ts';
import { KibError, type SeedFiles } from '../../src/core/index.ts';
import { type Reach, Vcenter } from './client.ts';
import { customize } from './customization.ts';
import type { Place } from './options.ts';
import { machinesSchema } from './owned.ts';
import { extraConfig, hasViJson, reconfigure, type ViObject, viProperty, viTask } from './vi-json.ts';

/** Names of the snapshots, those of image-builder's hack/image-govc-cloudinit.sh. */
const PRISTINE = 'new';
const SEEDED = 'cloudinit';

const WAITING = { timeoutMs: 10 * 60_000, pollMs: 1000 };

interface Snapshot {
  readonly id: string;
  readonly name: string;
}

interface Tree {
  readonly name: string;
  readonly snapshot: { readonly value: string };
  readonly childSnapshotList?: readonly Tree[] | undefined;
}

const treeSchema: z.ZodType<Tree> = z.lazy(() =>
  z.object({ name: z.string(), snapshot: z.object({ value: z.string() }), childSnapshotList: z.array(treeSchema).optional() }),
);

/**
 * Gives a powered-off machine made of an image its cloud-init data, to try it: takes a snapshot `new` first, or goes back to it when it is there, so
 * that the machine boots as if for the first time. Before vSphere 8.0 U1 it is a customization, without snapshots. `say` hears what is done.
 */
export async function attachCloudInit(
  place: Place,
  name: string,
  seed: SeedFiles,
  say: (text: string) => void,
  reach: Reach,
): Promise<void> {
  await using vcenter = await Vcenter.open(place, reach);
  const { signal } = reach;
  const vm = await findMachine(vcenter, name, signal);
  if (!(await hasViJson(vcenter, signal))) {
    await customize(seed, vcenter, vm, signal);
    say(`${name} gets the data when it is powered on; ${vcenter.server} is too old for snapshots by this program`);
    return;
  }
  const machine: ViObject = { type: 'VirtualMachine', id: vm };
  await rewind(vcenter, machine, say, reach);
  const values = Object.entries(guestinfoSeed(seed)).map(([key, value]) => [`guestinfo.${key}`, value] as const);
  await reconfigure(vcenter, vm, extraConfig(Object.fromEntries(values)), WAITING, reach);
  await takeSnapshot(vcenter, machine, SEEDED, reach);
  say(`${name} has its cloud-init data; snapshot ${SEEDED} is it`);
}

async function findMachine(vcenter: Vcenter, name: string, signal: AbortSignal): Promise<string> {
  const found = await vcenter.call({ method: 'GET', path: '/api/vcenter/vm', query: { names: name }, signal }, machinesSchema);
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new KibError(
      'KIB_VSPHERE_PLACEMENT',
      `${vcenter.server} has ${only === undefined ? 'no machine' : `${found.length} machines`} called ${name}`,
      {
        hint: 'deploy the image first; a template is no machine',
      },
    );
  }
  if (only.power_state === 'POWERED_OFF') return only.vm;
  throw new KibError('KIB_DRIVER_CANNOT', `${name} is not powered off`, { hint: 'shut it down first' });
}

/** Back to the machine as it was deployed. */
async function rewind(vcenter: Vcenter, machine: ViObject, say: (text: string) => void, reach: Reach): Promise<void> {
  const all = await snapshotsOf(vcenter, machine, reach.signal);
  const pristine = all.find(({ name }) => name === PRISTINE);
  if (pristine === undefined) {
    await takeSnapshot(vcenter, machine, PRISTINE, reach);
    say(`made snapshot ${PRISTINE}`);
    return;
  }
  const object = ({ id }: Snapshot): ViObject => ({ type: 'VirtualMachineSnapshot', id });
  await viTask(vcenter, object(pristine), 'RevertToSnapshot_Task', {}, WAITING, reach);
  say(`went back to snapshot ${PRISTINE}`);
  for (const other of all.filter(({ name }) => name === SEEDED)) {
    await viTask(vcenter, object(other), 'RemoveSnapshot_Task', { removeChildren: false }, WAITING, reach);
  }
}

async function takeSnapshot(vcenter: Vcenter, machine: ViObject, name: string, reach: Reach): Promise<void> {
  await viTask(vcenter, machine, 'CreateSnapshot_Task', { name, memory: false, quiesce: false }, WAITING, reach);
}

async function snapshotsOf(vcenter: Vcenter, machine: ViObject, signal: AbortSignal): Promise<readonly Snapshot[]> {
  const schema = z.object({ rootSnapshotList: z.array(treeSchema).optional() }).nullish();
  const found = await viProperty(vcenter, machine, 'snapshot', schema, signal);
  const flat = (trees: readonly Tree[]): readonly Snapshot[] =>
    trees.flatMap(({ name, snapshot, childSnapshotList = [] }) => [{ id: snapshot.value, name }, ...flat(childSnapshotList)]);
  return flat(found?.rootSnapshotList ?? []);
}
