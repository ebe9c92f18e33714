import type { Filter, Instance } from '@aws-sdk/client-ec2';
import { type Clock, isKibError, poll } from '../core/index.ts';
import type { Ec2 } from './api.ts';
import { awsCode, isGone } from './errors.ts';
import { RESOURCE_TAG, tagFilter } from './tags.ts';
import { snapshotsOf } from './wait.ts';

export interface RemoveOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly pollMs: number;
  /** Whether the thing's id came so short ago that EC2 may not find it yet. Default: never. */
  readonly isNew?: () => boolean;
}

/** Removes what has a resource tag, and the thing itself if its id is known; says how many there were. */
export type Remover = (ec2: Ec2, resource: string, id: string | undefined, options: RemoveOptions) => Promise<number>;

export type RemovableKind = 'instance' | 'security-group' | 'image' | 'snapshot';

/** By what stands after `ec2:` in the journal. */
export const removers: Readonly<Record<RemovableKind, Remover>> = {
  instance: removeInstances,
  'security-group': removeSecurityGroups,
  image: removeImages,
  snapshot: removeSnapshots,
};

/** States of spot requests that would start instances again; disabled ones belong to stopped instances. */
const OPEN_REQUESTS: ReadonlySet<string> = new Set(['open', 'active', 'disabled']);

/**
 * Ends instances and waits until they are gone, so that what they use can be removed; first their spot requests, or others would follow. One
 * that was made a moment ago and is not found yet is waited for.
 */
async function removeInstances(ec2: Ec2, resource: string, id: string | undefined, options: RemoveOptions): Promise<number> {
  const { clock, signal, pollMs: intervalMs } = options;
  const Filters = [tagFilter(RESOURCE_TAG, resource)];
  const ended = new Set<string>();
  const cancelled = new Set<string>();
  await poll({ clock, signal, intervalMs }, async () => {
    const byTag = await instances(ec2, { Filters }, signal);
    const byId = id === undefined ? [] : await instances(ec2, { InstanceIds: [id] }, signal);
    const found = new Map([...byTag, ...byId].map((instance) => [instance.InstanceId ?? '', instance]));
    const left = [...found.values()].filter(({ State }) => State?.Name !== 'terminated');
    await cancelRequests(ec2, left, Filters, cancelled, signal);
    if (left.length === 0) return isComing(id, found, options) ? undefined : true;
    for (const { InstanceId = '' } of left) ended.add(InstanceId);
    const running = left.filter(({ State }) => State?.Name !== 'shutting-down').flatMap(({ InstanceId }) => InstanceId ?? []);
    if (running.length > 0) await ec2.call('TerminateInstances', { InstanceIds: running });
    return undefined;
  });
  return ended.size;
}

/** Cancels the spot requests of instances and tags, each once. */
async function cancelRequests(
  ec2: Ec2,
  left: readonly Instance[],
  Filters: Filter[],
  cancelled: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const { SpotInstanceRequests = [] } = await ec2.call('DescribeSpotInstanceRequests', { Filters }, signal);
  const open = SpotInstanceRequests.filter(({ State }) => State !== undefined && OPEN_REQUESTS.has(State));
  const requests = new Set([...open, ...left].flatMap(({ SpotInstanceRequestId: request }) => request ?? []));
  const fresh = [...requests].filter((request) => !cancelled.has(request));
  if (fresh.length === 0) return;
  await ec2.call('CancelSpotInstanceRequests', { SpotInstanceRequestIds: fresh });
  for (const request of fresh) cancelled.add(request);
}

async function instances(
  ec2: Ec2,
  which: { readonly Filters?: Filter[]; readonly InstanceIds?: string[] },
  signal: AbortSignal,
): Promise<readonly Instance[]> {
  const { Reservations = [] } = (await unlessGone(ec2.call('DescribeInstances', which, signal))) ?? {};
  return Reservations.flatMap(({ Instances = [] }) => Instances);
}

async function removeSecurityGroups(ec2: Ec2, resource: string, id: string | undefined, options: RemoveOptions): Promise<number> {
  const { SecurityGroups = [] } = await ec2.call(
    'DescribeSecurityGroups',
    { Filters: [tagFilter(RESOURCE_TAG, resource)] },
    options.signal,
  );
  const found = SecurityGroups.flatMap(({ GroupId }) => GroupId ?? []);
  return removeEach(found, id, (GroupId) => ec2.call('DeleteSecurityGroup', { GroupId }), options);
}

/** Deregisters AMIs, pending ones too, then removes their snapshots, which a pending one gets a moment later. */
async function removeImages(ec2: Ec2, resource: string, id: string | undefined, options: RemoveOptions): Promise<number> {
  const { clock, signal, pollMs: intervalMs } = options;
  const Filters = [tagFilter(RESOURCE_TAG, resource)];
  const images = await poll({ clock, signal, intervalMs }, async () => {
    const { Images: byTag = [] } = await ec2.call('DescribeImages', { Owners: ['self'], Filters, IncludeDisabled: true }, signal);
    const byId = id === undefined ? undefined : await unlessGone(ec2.call('DescribeImages', { ImageIds: [id] }, signal));
    const found = new Map([...byTag, ...(byId?.Images ?? [])].map((image) => [image.ImageId ?? '', image]));
    return isComing(id, found, options) ? undefined : [...found.values()];
  });
  for (const { ImageId } of images) await untilFree(() => ec2.call('DeregisterImage', { ImageId }), notNew(options));
  const known = images.flatMap(snapshotsOf);
  const isPending = known.length === 0 && images.some(({ State }) => State === 'pending');
  const snapshots = await poll({ clock, signal, intervalMs }, async () => {
    const tagged = await snapshotsWith(ec2, resource, signal);
    return tagged.length === 0 && isPending && options.isNew?.() === true ? undefined : tagged;
  });
  const all = new Set([...snapshots, ...known]);
  return (
    images.length + (await removeEach([...all], undefined, (SnapshotId) => ec2.call('DeleteSnapshot', { SnapshotId }), options))
  );
}

async function removeSnapshots(ec2: Ec2, resource: string, id: string | undefined, options: RemoveOptions): Promise<number> {
  const found = await snapshotsWith(ec2, resource, options.signal);
  return removeEach(found, id, (SnapshotId) => ec2.call('DeleteSnapshot', { SnapshotId }), options);
}

async function snapshotsWith(ec2: Ec2, resource: string, signal: AbortSignal): Promise<readonly string[]> {
  const Filters = [tagFilter(RESOURCE_TAG, resource)];
  const { Snapshots = [] } = await ec2.call('DescribeSnapshots', { OwnerIds: ['self'], Filters }, signal);
  return Snapshots.flatMap(({ SnapshotId }) => SnapshotId ?? []);
}

/** Removes an AMI of a finished build with its snapshots; nothing when it is gone. Lifts a protection against that first. */
export async function removeImage(ec2: Ec2, id: string, options: RemoveOptions): Promise<void> {
  const { Images: [image] = [] } = (await unlessGone(ec2.call('DescribeImages', { ImageIds: [id] }, options.signal))) ?? {};
  if (image === undefined) return;
  if (image.DeregistrationProtection !== undefined && !image.DeregistrationProtection.startsWith('disabled')) {
    await ec2.call('DisableImageDeregistrationProtection', { ImageId: id });
  }
  await untilFree(() => ec2.call('DeregisterImage', { ImageId: id }), options);
  for (const SnapshotId of snapshotsOf(image)) await untilFree(() => ec2.call('DeleteSnapshot', { SnapshotId }), options);
}

/** Removes what was found, and what was not but has this id. Returns how many there were. */
async function removeEach(
  found: readonly string[],
  id: string | undefined,
  remove: (id: string) => Promise<unknown>,
  options: RemoveOptions,
): Promise<number> {
  for (const one of found) await untilFree(() => remove(one), notNew(options));
  if (id === undefined || found.includes(id)) return found.length;
  await untilFree(() => remove(id), options);
  return found.length + 1;
}

/** For what was found: not finding it again means that it is gone. */
function notNew(options: RemoveOptions): RemoveOptions {
  return { ...options, isNew: () => false };
}

/** Codes of things that are still used by what was removed a moment ago, or not complete yet. */
const IN_USE = /^(DependencyViolation|IncorrectState|InvalidSnapshot\.InUse|InvalidGroup\.InUse)$/;

async function untilFree(remove: () => Promise<unknown>, { clock, signal, pollMs, isNew }: RemoveOptions): Promise<void> {
  await poll({ clock, signal, intervalMs: pollMs }, async () => {
    try {
      await remove();
      return true;
    } catch (error) {
      if (IN_USE.test(awsCode(error) ?? '') || (isKibError(error) && error.retryable)) return undefined;
      if (isGone(error)) return isNew?.() === true ? undefined : true;
      throw error;
    }
  });
}

/** Whether a thing whose id is known is still to be found: EC2 answers for a moment as if it had not been made. */
function isComing(id: string | undefined, found: ReadonlyMap<string, unknown>, { isNew }: RemoveOptions): boolean {
  return id !== undefined && !found.has(id) && isNew?.() === true;
}

async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
