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

/** Ends instances and waits until they are gone, so that what they use can be removed; first their spot requests, or others would follow. */
async function removeInstances(ec2: Ec2, resource: string, id: string | undefined, options: RemoveOptions): Promise<number> {
  const { signal } = options;
  const Filters = [tagFilter(RESOURCE_TAG, resource)];
  const find = async () => {
    const byTag = await instances(ec2, { Filters }, signal);
    const byId = id === undefined ? [] : await instances(ec2, { InstanceIds: [id] }, signal);
    return [...new Map([...byTag, ...byId].map((instance) => [instance.InstanceId, instance])).values()].filter(
      ({ State }) => State?.Name !== 'terminated',
    );
  };
  const first = await find();
  const { SpotInstanceRequests = [] } = await ec2.call('DescribeSpotInstanceRequests', { Filters }, signal);
  const requests = new Set(
    [...SpotInstanceRequests.filter(({ State }) => State !== undefined && OPEN_REQUESTS.has(State)), ...first].flatMap(
      ({ SpotInstanceRequestId: request }) => (request === undefined ? [] : [request]),
    ),
  );
  if (requests.size > 0) await ec2.call('CancelSpotInstanceRequests', { SpotInstanceRequestIds: [...requests] });
  let isAsked = false;
  await poll({ clock: options.clock, signal, intervalMs: options.pollMs }, async () => {
    const left = isAsked ? await find() : first;
    if (left.length === 0) return true;
    const running = left.filter(({ State }) => State?.Name !== 'shutting-down').flatMap(({ InstanceId }) => InstanceId ?? []);
    if (running.length > 0) await ec2.call('TerminateInstances', { InstanceIds: running });
    isAsked = true;
    return undefined;
  });
  return first.length;
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
  const ids = new Set([...SecurityGroups.flatMap(({ GroupId }) => GroupId ?? []), ...(id === undefined ? [] : [id])]);
  for (const GroupId of ids) await untilFree(() => ec2.call('DeleteSecurityGroup', { GroupId }), options);
  return ids.size;
}

/** Deregisters AMIs, pending ones too, then removes their snapshots. */
async function removeImages(ec2: Ec2, resource: string, id: string | undefined, options: RemoveOptions): Promise<number> {
  const { signal } = options;
  const Filters = [tagFilter(RESOURCE_TAG, resource)];
  const { Images: byTag = [] } = await ec2.call('DescribeImages', { Owners: ['self'], Filters, IncludeDisabled: true }, signal);
  const byId = id === undefined ? undefined : await unlessGone(ec2.call('DescribeImages', { ImageIds: [id] }, signal));
  const images = new Map([...byTag, ...(byId?.Images ?? [])].map((image) => [image.ImageId, image]));
  for (const ImageId of images.keys()) await untilFree(() => ec2.call('DeregisterImage', { ImageId }), options);
  const snapshots = await removeSnapshots(ec2, resource, undefined, options);
  const others = [...images.values()].flatMap(snapshotsOf);
  for (const SnapshotId of others) await untilFree(() => ec2.call('DeleteSnapshot', { SnapshotId }), options);
  return images.size + snapshots;
}

async function removeSnapshots(ec2: Ec2, resource: string, id: string | undefined, options: RemoveOptions): Promise<number> {
  const Filters = [tagFilter(RESOURCE_TAG, resource)];
  const { Snapshots = [] } = await ec2.call('DescribeSnapshots', { OwnerIds: ['self'], Filters }, options.signal);
  const ids = new Set([...Snapshots.flatMap(({ SnapshotId }) => SnapshotId ?? []), ...(id === undefined ? [] : [id])]);
  for (const SnapshotId of ids) await untilFree(() => ec2.call('DeleteSnapshot', { SnapshotId }), options);
  return ids.size;
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

/** Codes of things that are still used by what was removed a moment ago, or not complete yet. */
const IN_USE = /^(DependencyViolation|IncorrectState|InvalidSnapshot\.InUse|InvalidGroup\.InUse)$/;

async function untilFree(remove: () => Promise<unknown>, { clock, signal, pollMs }: RemoveOptions): Promise<void> {
  await poll({ clock, signal, intervalMs: pollMs }, async () => {
    try {
      await remove();
      return true;
    } catch (error) {
      if (IN_USE.test(awsCode(error) ?? '') || (isKibError(error) && error.retryable)) return undefined;
      if (isGone(error)) return true;
      throw error;
    }
  });
}

async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
