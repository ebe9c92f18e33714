import { randomBytes } from 'node:crypto';
import { type Context, type Resource, releasing, systemClock } from '../core/index.ts';
import { Ec2, type Place } from './api.ts';
import { type RemovableKind, removers } from './remove.ts';
import type { Tagging } from './tags.ts';
import { VISIBLE_MS } from './wait.ts';

/** How long whatever a build makes may be needed at most; later anybody may remove it. */
const LIFETIME_MS = 24 * 3600 * 1000;
/** For removing one thing: an instance may take minutes to end. */
const REMOVE_MS = 15 * 60_000;

/** Something in EC2 that does not outlive the build unless it is kept. */
export interface Owned {
  /** Tags to make it with: it is found by them. */
  readonly tagging: Tagging;
  /** Takes the id once it is known, since tags are found a moment later only. */
  known(id: string): void;
  /** Takes it out of scope and journal. */
  keep(): Promise<void>;
  /** Removes it now. */
  remove(): Promise<void>;
}

/** Registers a thing in journal and scope before it is made. */
export async function own(
  kind: RemovableKind,
  ec2: Ec2,
  about: {
    readonly name: string;
    readonly tags: Readonly<Record<string, string>>;
    readonly pollMs: number;
    /** Of a thing that an earlier run made. Default: a new one. */
    readonly resource?: string;
  },
  { buildId, clock, journal, scope }: Pick<Context, 'buildId' | 'clock' | 'journal' | 'scope'>,
): Promise<Owned> {
  const resource = about.resource ?? `${buildId}-${randomBytes(4).toString('hex')}`;
  const expires = new Date(clock.now() + LIFETIME_MS).toISOString();
  const { region, endpoint } = ec2.place;
  const data = { region, ...(endpoint === undefined ? {} : { endpoint }) };
  const released = await journal.acquire({ kind: `ec2:${kind}`, id: resource, data });
  let id: string | undefined;
  let knownAt = 0;
  const isNew = () => id !== undefined && clock.now() - knownAt < VISIBLE_MS;
  const remove = async () => {
    await removers[kind](ec2, resource, id, { clock, signal: AbortSignal.timeout(REMOVE_MS), pollMs: about.pollMs, isNew });
    await released();
  };
  const forget = scope.defer(`${kind} ${about.name} in ${region}`, remove);
  return {
    tagging: { buildId, resource, expires, name: about.name, tags: about.tags },
    known: (found) => {
      id = found;
      knownAt = clock.now();
    },
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

/** Removes what a dead build left; `data` of the journal says where. Does nothing when it is gone already. */
export async function reap({ kind, id, data }: Resource): Promise<string> {
  const { region, endpoint } = data ?? {};
  const remove = removers[kind.replace(/^ec2:/, '') as RemovableKind];
  if (region === undefined || remove === undefined) throw new Error(`${kind} ${id} does not say where it is`);
  const place: Place = { region, ...(endpoint === undefined ? {} : { endpoint }) };
  const ec2 = await Ec2.open(place, { clock: systemClock });
  return releasing(
    async () => ec2[Symbol.dispose](),
    async () => {
      const options = { clock: systemClock, signal: AbortSignal.timeout(REMOVE_MS), pollMs: 2000 };
      const count = await remove(ec2, id, undefined, options);
      return count === 0 ? `was gone from ${region} already` : `removed from ${region}`;
    },
  );
}
