import type { Image, LaunchPermission } from '@aws-sdk/client-ec2';
import { KibError } from '../core/index.ts';
import type { Ec2 } from './api.ts';
import type { AmiOptions } from './options.ts';
import { EXPIRES_TAG, RESOURCE_TAG } from './tags.ts';
import { snapshotsOf } from './wait.ts';

const DAY_MS = 24 * 3600 * 1000;

/** Before anything is made: whether the region lets AMIs become public at all. Throws KIB_EC2_PUBLIC. */
export async function requirePublishable(ec2: Ec2, options: Pick<AmiOptions, 'public'>, signal: AbortSignal): Promise<void> {
  if (!options.public) return;
  const { ImageBlockPublicAccessState: state } = await ec2.call('GetImageBlockPublicAccessState', {}, signal);
  if (state !== 'block-new-sharing') return;
  throw new KibError('KIB_EC2_PUBLIC', `the account blocks public AMIs in ${ec2.region}`, {
    hint: `aws ec2 disable-image-block-public-access --region ${ec2.region}, or ami.public: false`,
  });
}

/** Hands a finished AMI over: to accounts, organizations, everybody; deprecation date and protection; the tags of the build's are gone. */
export async function announce(ec2: Ec2, image: Image, options: AmiOptions, now: number): Promise<void> {
  const ImageId = image.ImageId ?? '';
  const snapshots = snapshotsOf(image);
  const Add = launchPermissions(options);
  if (Add.length > 0) await ec2.call('ModifyImageAttribute', { ImageId, LaunchPermission: { Add } });
  if (options.shareSnapshots && options.shareWith.accounts.length > 0) {
    for (const SnapshotId of snapshots) {
      await ec2.call('ModifySnapshotAttribute', {
        SnapshotId,
        Attribute: 'createVolumePermission',
        OperationType: 'add',
        UserIds: options.shareWith.accounts,
      });
    }
  }
  if (options.deprecateAfterDays !== undefined) {
    const DeprecateAt = new Date(now + options.deprecateAfterDays * DAY_MS);
    await ec2.call('EnableImageDeprecation', { ImageId, DeprecateAt });
  }
  // Nobody is to take it for a leftover.
  await ec2.call('DeleteTags', { Resources: [ImageId, ...snapshots], Tags: [{ Key: EXPIRES_TAG }, { Key: RESOURCE_TAG }] });
  if (options.deregistrationProtection !== 'off') {
    await ec2.call('EnableImageDeregistrationProtection', {
      ImageId,
      WithCooldown: options.deregistrationProtection === 'with-cooldown',
    });
  }
}

function launchPermissions(options: Pick<AmiOptions, 'shareWith' | 'public'>): LaunchPermission[] {
  const { accounts, organizations, organizationalUnits } = options.shareWith;
  return [
    ...accounts.map((UserId) => ({ UserId })),
    ...organizations.map((OrganizationArn) => ({ OrganizationArn })),
    ...organizationalUnits.map((OrganizationalUnitArn) => ({ OrganizationalUnitArn })),
    ...(options.public ? [{ Group: 'all' as const }] : []),
  ];
}
