import { ACCOUNT, type FakeAws } from './fake.ts';
import { FakeError } from './fake-error.ts';
import { type Handler, passes, tagSet, tagsFor } from './handlers.ts';
import type { FakeRegion, FakeSnapshot, FakeVolume, Tags } from './state.ts';
import { type Answer, type Params, text, texts } from './wire.ts';

export const snapshotHandlers: Readonly<Record<string, Handler>> = {
  CreateSnapshot: async ({ aws, region, params }) => {
    const volume = volumeOf(region, params);
    const made = newSnapshot(aws, region, volume, tagsFor(params, 'snapshot'), text(params, 'Description') ?? '');
    const instance = region.instances.get(volume.attachedTo ?? '');
    if (instance !== undefined) await aws.hypervisor?.snapshot(instance, volume.id, made.id);
    return describe(made, aws);
  },
  DescribeSnapshots: ({ aws, region, params }) => {
    const ids = texts(params, 'SnapshotId');
    for (const id of ids)
      if (!region.snapshots.has(id)) throw new FakeError('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);
    const found = [...region.snapshots.values()].filter(
      (snapshot) =>
        (ids.length > 0 ? ids.includes(snapshot.id) : aws.isVisible(snapshot)) &&
        passes(params, snapshot.tags, { 'snapshot-id': snapshot.id }),
    );
    return { snapshotSet: found.map((snapshot) => describe(snapshot, aws)) };
  },
  DeleteSnapshot: ({ aws, region, params }) => {
    const id = text(params, 'SnapshotId') ?? '';
    const snapshot = region.snapshots.get(id);
    if (snapshot === undefined || !aws.isVisible(snapshot))
      throw new FakeError('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);
    const user = [...region.images.values()].find(({ snapshotId }) => snapshotId === id);
    if (user !== undefined) throw new FakeError('InvalidSnapshot.InUse', `The snapshot ${id} is currently in use by ${user.id}`);
    region.snapshots.delete(id);
    return { return: true };
  },
  ModifySnapshotAttribute: ({ region, params }) => {
    const snapshot = region.snapshots.get(text(params, 'SnapshotId') ?? '');
    if (snapshot === undefined) throw new FakeError('InvalidSnapshot.NotFound', 'The snapshot does not exist.');
    if (text(params, 'Attribute') !== 'createVolumePermission' || text(params, 'OperationType') !== 'add')
      throw new FakeError('InvalidParameterValue', 'Value for parameter Attribute is invalid');
    snapshot.sharedWith.push(...texts(params, 'UserId'));
    return { return: true };
  },
};

export function newSnapshot(
  aws: FakeAws,
  region: FakeRegion,
  volume: Pick<FakeVolume, 'gib' | 'encrypted' | 'kmsKeyId' | 'productCodes'>,
  tags: Tags,
  description: string,
): FakeSnapshot {
  const snapshot: FakeSnapshot = {
    id: aws.id('snap'),
    gib: volume.gib,
    encrypted: volume.encrypted,
    kmsKeyId: volume.kmsKeyId,
    productCodes: volume.productCodes,
    tags,
    madeAt: aws.now(),
    blocks: new Map(),
    sharedWith: [],
    description,
    state: 'pending',
    next: { state: 'completed', at: aws.now() + aws.settleMs * 2 },
  };
  region.snapshots.set(snapshot.id, snapshot);
  return snapshot;
}

/** When what needs a snapshot can be ready. */
export function completesBy(aws: FakeAws, { next }: FakeSnapshot): number {
  return (next?.at ?? aws.now()) + aws.settleMs;
}

function volumeOf(region: FakeRegion, params: Params): FakeVolume {
  const id = text(params, 'VolumeId') ?? '';
  const volume = region.volumes.get(id);
  if (volume === undefined) throw new FakeError('InvalidVolume.NotFound', `The volume '${id}' does not exist.`);
  return volume;
}

function describe(snapshot: FakeSnapshot, aws: FakeAws): Answer {
  const age = aws.now() - snapshot.madeAt;
  const percent = snapshot.state === 'completed' ? 100 : Math.min(99, Math.round((age / (aws.settleMs * 2 + 1)) * 100));
  return {
    snapshotId: snapshot.id,
    volumeId: 'vol-ffffffff',
    status: snapshot.state,
    startTime: new Date(snapshot.madeAt).toISOString(),
    progress: `${percent}%`,
    ownerId: ACCOUNT,
    volumeSize: snapshot.gib,
    description: snapshot.description,
    encrypted: snapshot.encrypted,
    kmsKeyId: snapshot.kmsKeyId,
    tagSet: tagSet(snapshot.tags),
  };
}
