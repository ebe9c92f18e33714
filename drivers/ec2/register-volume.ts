import { type Naming, tagsPerType } from '../../src/aws/ami.ts';
import type { Ec2 } from '../../src/aws/api.ts';
import { own } from '../../src/aws/owned.ts';
import { type RegisteredDisk, registerImage } from '../../src/aws/register.ts';
import { tagged } from '../../src/aws/tags.ts';
import { snapshotCompleted } from '../../src/aws/wait.ts';
import { type Context, throwIfAborted } from '../../src/core/index.ts';
import { type Ec2Options, pollMs } from './options.ts';

/** Makes an AMI of a volume that nothing writes to any more, by way of a snapshot. Returns the AMI's id; its snapshot goes with it. */
export async function registerVolume(
  ec2: Ec2,
  volumeId: string,
  disk: Omit<RegisteredDisk, 'snapshotId'>,
  naming: Naming,
  { ami, tags, ...options }: Ec2Options,
  context: Context,
): Promise<string> {
  const owned = await own('snapshot', ec2, { name: naming.name, tags, pollMs: pollMs(options) }, context);
  throwIfAborted(context.signal);
  const { SnapshotId = '' } = await ec2.call('CreateSnapshot', {
    VolumeId: volumeId,
    Description: naming.description,
    // As the AMI's own: it is removed with it.
    TagSpecifications: tagged(['snapshot'], owned.tagging, tagsPerType(ami)),
  });
  owned.known(SnapshotId);
  await snapshotCompleted(ec2, SnapshotId, naming.waiting, context);
  const id = await registerImage(ec2, { ...disk, snapshotId: SnapshotId }, naming, ami);
  naming.owned.known(id);
  // From here on it goes with the AMI.
  await owned.keep();
  return id;
}
