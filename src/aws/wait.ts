import type { Image, Snapshot } from '@aws-sdk/client-ec2';
import { type Context, isKibError, KibError, pollWithin, type Waiting } from '../core/index.ts';
import type { Ec2 } from './api.ts';
import { isGone } from './errors.ts';

/** How long EC2 may not find what it has just made (AWS: Eventual consistency in the Amazon EC2 API). */
export const VISIBLE_MS = 60_000;

/**
 * Calls `probe` until it returns something. What is not there yet counts as not ready: EC2 answers for a moment as if it had not been made. Throws
 * KIB_EC2_TIMEOUT, which says what was waited for.
 */
export async function waitFor<T>(
  what: string,
  waiting: Waiting,
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
  probe: (signal: AbortSignal) => Promise<T | undefined>,
): Promise<T> {
  const onTimeout = () => new KibError('KIB_EC2_TIMEOUT', `${what} took longer than ${Math.round(waiting.timeoutMs / 1000)} s`);
  const mayPass = (error: unknown) => isGone(error) || (isKibError(error) && error.retryable);
  return pollWithin(waiting, { clock, signal, onTimeout, mayPass }, probe);
}

/** Waits until an AMI is available. Throws KIB_EC2_IMAGE with EC2's reason when it cannot be made. */
export async function imageAvailable(ec2: Ec2, id: string, waiting: Waiting, context: Context): Promise<Image> {
  return waitFor(`AMI ${id} in ${ec2.region}`, waiting, context, async (signal) => {
    const { Images: [image] = [] } = await ec2.call('DescribeImages', { ImageIds: [id] }, signal);
    if (image?.State === 'available') return image;
    if (image !== undefined && image.State !== 'pending') throw failed(`AMI ${id}`, ec2, image.State, image.StateReason?.Message);
    const ids = snapshotsOf(image);
    if (ids.length > 0) {
      const { Snapshots = [] } = await ec2.call('DescribeSnapshots', { SnapshotIds: [...ids] }, signal);
      tellProgress(Snapshots, ec2, context);
    }
    return undefined;
  });
}

/** Waits until a snapshot holds all data. Throws KIB_EC2_IMAGE with EC2's reason. */
export async function snapshotCompleted(ec2: Ec2, id: string, waiting: Waiting, context: Context): Promise<Snapshot> {
  return waitFor(`snapshot ${id} in ${ec2.region}`, waiting, context, async (signal) => {
    const { Snapshots: [snapshot] = [] } = await ec2.call('DescribeSnapshots', { SnapshotIds: [id] }, signal);
    if (snapshot?.State === 'completed') return snapshot;
    if (snapshot?.State === 'error') throw failed(`snapshot ${id}`, ec2, snapshot.State, snapshot.StateMessage);
    if (snapshot !== undefined) tellProgress([snapshot], ec2, context);
    return undefined;
  });
}

/** Ids of the snapshots that an AMI's volumes are made of. */
export function snapshotsOf(image: Image | undefined): readonly string[] {
  return (image?.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => (Ebs?.SnapshotId === undefined ? [] : [Ebs.SnapshotId]));
}

function tellProgress(snapshots: readonly Snapshot[], { region }: Ec2, { span }: Context): void {
  const percents = snapshots.map(({ Progress = '0%' }) => Number.parseInt(Progress, 10) || 0);
  if (percents.length === 0) return;
  const percent = Math.min(...percents);
  span.progress(percent, 100, 'percent');
  span.note(`${region}: ${percent} %`);
}

function failed(what: string, { region }: Ec2, state: string | undefined, reason: string | undefined): KibError {
  return new KibError('KIB_EC2_IMAGE', `${what} in ${region} could not be made: ${reason ?? state ?? 'no reason was given'}`);
}
