import { z } from 'zod';
import { type Context, type Resource, Secret, type SecretRef, secretRefSchema, systemClock } from '../../src/core/index.ts';
import { Vcenter } from './client.ts';
import { isGone, isInOtherState } from './errors.ts';
import { deleteItem, findItems } from './library.ts';
import type { Place } from './options.ts';
import { waitFor } from './wait.ts';

/** What a build makes in vCenter; each has a name of its own, by which it is found whether its making ended or not. */
export type OwnedKind = 'vm' | 'item';

/** Something in vCenter that does not outlive the build unless it is kept. */
export interface Owned {
  /** Takes it out of scope and journal. */
  keep(): Promise<void>;
  /** Removes it now. */
  remove(): Promise<void>;
}

const REMOVE_MS = 10 * 60_000;
const POLL_MS = 1000;

/** Registers a thing in journal and scope before it is made. `library` is where an item goes. */
export async function own(
  kind: OwnedKind,
  vcenter: Vcenter,
  { name, library }: { readonly name: string; readonly library?: string },
  { journal, scope, clock }: Pick<Context, 'journal' | 'scope' | 'clock'>,
): Promise<Owned> {
  const released = await journal.acquire(resourceOf(kind, vcenter.place, name, library));
  const remove = async () => {
    // A client of its own: the build's may be closed by now.
    await using own = await Vcenter.open(vcenter.place, { clock, signal: AbortSignal.timeout(REMOVE_MS), ...vcenter.network });
    await removers[kind](own, name, library);
    await released();
  };
  const forget = scope.defer(`${kind} ${name} in ${vcenter.server}`, remove);
  return {
    keep: async () => {
      forget();
      await released();
    },
    remove: async () => {
      forget();
      await remove();
    },
  };
}

function resourceOf(kind: OwnedKind, place: Place, name: string, library: string | undefined): Resource {
  const { server, username, password, insecure, caFile } = place;
  return {
    kind: `vsphere:${kind}`,
    id: name,
    data: {
      server,
      username,
      insecure: String(insecure),
      // Where the password is kept; a password itself is written nowhere.
      ...(password instanceof Secret ? {} : { password: JSON.stringify(password) }),
      ...(caFile === undefined ? {} : { caFile }),
      ...(library === undefined ? {} : { library }),
    },
  };
}

/** Removes what a dead build left; `data` of the journal says where. Does nothing when it is gone already. */
export async function reap({ kind, id, data = {} }: Resource): Promise<string> {
  const { server, username, password, insecure, caFile, library } = data;
  const remove = removers[kind.replace(/^vsphere:/, '') as OwnedKind];
  if (server === undefined || username === undefined || remove === undefined)
    throw new Error(`${kind} ${id} does not say where it is`);
  const ref: SecretRef = password === undefined ? { env: 'VSPHERE_PASSWORD' } : secretRefSchema.parse(JSON.parse(password));
  const place: Place = { server, username, password: ref, insecure: insecure === 'true', caFile };
  await using vcenter = await Vcenter.open(place, { clock: systemClock, signal: AbortSignal.timeout(REMOVE_MS) });
  const count = await remove(vcenter, id, library);
  return count === 0 ? `was gone from ${server} already` : `removed from ${server}`;
}

type Remover = (vcenter: Vcenter, name: string, library: string | undefined) => Promise<number>;

const removers: Readonly<Record<OwnedKind, Remover>> = {
  vm: async (vcenter, name) => {
    const found = await vcenter.call({ method: 'GET', path: '/api/vcenter/vm', query: { names: name } }, machinesSchema);
    for (const { vm } of found) await removeMachine(vcenter, vm);
    return found.length;
  },
  item: async (vcenter, name, library) => {
    const items = await findItems(vcenter, { name, ...(library === undefined ? {} : { library_id: library }) });
    for (const id of items) await deleteItem(vcenter, id);
    return items.length;
  },
};

export const machinesSchema = z.array(z.object({ vm: z.string(), name: z.string(), power_state: z.string() }));

const powerSchema = z.object({ state: z.enum(['POWERED_OFF', 'POWERED_ON', 'SUSPENDED']) });

/** Power state of a machine; undefined when it is gone. */
export async function powerState(vcenter: Vcenter, vm: string, signal?: AbortSignal) {
  try {
    const { state } = await vcenter.call(
      { method: 'GET', path: `/api/vcenter/vm/${vm}/power`, ...(signal === undefined ? {} : { signal }) },
      powerSchema,
    );
    return state;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Powers a machine off and deletes it with its disks; waits while vCenter is still busy with it. Nothing when it is gone. */
export async function removeMachine(vcenter: Vcenter, vm: string): Promise<void> {
  const patient = { clock: vcenter.clock, signal: AbortSignal.timeout(REMOVE_MS) };
  await waitFor(`deleting ${vm}`, { timeoutMs: REMOVE_MS, pollMs: POLL_MS }, patient, async () => {
    const state = await powerState(vcenter, vm);
    if (state === undefined) return true;
    try {
      if (state !== 'POWERED_OFF')
        await vcenter.send({ method: 'POST', path: `/api/vcenter/vm/${vm}/power`, query: { action: 'stop' } });
      await vcenter.send({ method: 'DELETE', path: `/api/vcenter/vm/${vm}`, timeoutMs: REMOVE_MS });
      return true;
    } catch (error) {
      if (isGone(error)) return true;
      if (isInOtherState(error)) return undefined;
      throw error;
    }
  });
}
