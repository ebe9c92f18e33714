import { setMaxListeners } from 'node:events';
import type { Ec2Action, Ec2Input } from '../../src/aws/actions.ts';
import type { Ec2 } from '../../src/aws/api.ts';
import { awsCode } from '../../src/aws/errors.ts';
import { BUILD_TAG } from '../../src/aws/tags.ts';
import { isKibError, type MachineSpec } from '../../src/core/index.ts';
import { instanceType, profileOf } from './instance.ts';
import { type Ec2Options, spotOf } from './options.ts';

/** Ids in the right form that name nothing: permissions are looked at before it is seen that nothing is there. */
const NOBODY = {
  image: 'ami-00000000000000000',
  instance: 'i-00000000000000000',
  snapshot: 'snap-00000000000000000',
  group: 'sg-00000000000000000',
  vpc: 'vpc-00000000000000000',
  volume: 'vol-00000000000000000',
  request: 'sir-00000000',
} as const;

type DryRun = { [A in Ec2Action]: readonly [A, Ec2Input<A>] }[Ec2Action];

/** The calls that a build with these options makes, none of which would find anything to work on. */
function dryRuns(machine: Pick<MachineSpec, 'arch'>, options: Ec2Options): readonly DryRun[] {
  const { ami } = options;
  const shares = Object.values(ami.shareWith).some((names) => names.length > 0) || ami.public;
  return [
    ['DescribeImages', { Owners: ['self'] }],
    ['DescribeInstances', {}],
    ['DescribeSubnets', {}],
    ['DescribeVpcs', {}],
    ['DescribeSnapshots', { OwnerIds: ['self'] }],
    ['DescribeSpotInstanceRequests', {}],
    [
      'RunInstances',
      {
        ImageId: NOBODY.image,
        MinCount: 1,
        MaxCount: 1,
        InstanceType: instanceType(machine, options) as NonNullable<Ec2Input<'RunInstances'>['InstanceType']>,
        // Needs ec2:CreateTags, as every call that tags what it makes, and iam:PassRole for a profile.
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: BUILD_TAG, Value: 'dry run' }] }],
        ...(options.instanceProfile === undefined ? {} : { IamInstanceProfile: profileOf(options.instanceProfile) }),
      },
    ],
    ['StopInstances', { InstanceIds: [NOBODY.instance] }],
    ['TerminateInstances', { InstanceIds: [NOBODY.instance] }],
    ['GetConsoleOutput', { InstanceId: NOBODY.instance }],
    ['CreateImage', { InstanceId: NOBODY.instance, Name: 'kib-dry-run' }],
    ['DeregisterImage', { ImageId: NOBODY.image }],
    ['DeleteSnapshot', { SnapshotId: NOBODY.snapshot }],
    ['DeleteTags', { Resources: [NOBODY.image], Tags: [{ Key: 'kib-native:expires' }] }],
    ...when(options.securityGroups.length === 0, groupRuns()),
    ...when(spotOf(options) !== undefined, [['CancelSpotInstanceRequests', { SpotInstanceRequestIds: [NOBODY.request] }]]),
    ...when(ami.imdsV2 || shares, [['ModifyImageAttribute', { ImageId: NOBODY.image, ImdsSupport: { Value: 'v2.0' } }]]),
    ...when(ami.bootMode !== undefined || ami.tpm, registerRuns()),
    ...when(ami.regions.length > 0, [
      ['DescribeRegions', {}],
      ['CopyImage', { Name: 'kib-dry-run', SourceImageId: NOBODY.image, SourceRegion: options.region }],
    ]),
    ...when(ami.deprecateAfterDays !== undefined, [
      ['EnableImageDeprecation', { ImageId: NOBODY.image, DeprecateAt: new Date('2040-01-01') }],
    ]),
    ...when(ami.deregistrationProtection !== 'off', [['EnableImageDeregistrationProtection', { ImageId: NOBODY.image }]]),
    ...when(ami.public, [['GetImageBlockPublicAccessState', {}]]),
  ];
}

function when(isUsed: boolean, runs: readonly DryRun[]): readonly DryRun[] {
  return isUsed ? runs : [];
}

function groupRuns(): readonly DryRun[] {
  const { group, vpc } = NOBODY;
  return [
    ['DescribeSecurityGroups', {}],
    ['CreateSecurityGroup', { GroupName: 'kib-dry-run', Description: 'a dry run', VpcId: vpc }],
    [
      'AuthorizeSecurityGroupIngress',
      {
        GroupId: group,
        IpPermissions: [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '192.0.2.1/32' }] }],
      },
    ],
    ['DeleteSecurityGroup', { GroupId: group }],
  ];
}

function registerRuns(): readonly DryRun[] {
  return [
    ['CreateSnapshot', { VolumeId: NOBODY.volume }],
    [
      'RegisterImage',
      {
        Name: 'kib-dry-run',
        RootDeviceName: '/dev/xvda',
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: NOBODY.snapshot } }],
      },
    ],
  ];
}

/** Which of the calls this account may not make. Throws for what stands in the way of all calls: credentials, network. */
export async function deniedActions(
  ec2: Ec2,
  machine: Pick<MachineSpec, 'arch'>,
  options: Ec2Options,
  signal: AbortSignal,
): Promise<{ readonly denied: readonly string[]; readonly asked: number }> {
  const runs = dryRuns(machine, options);
  // All at once, and each listens.
  const all = AbortSignal.any([signal]);
  setMaxListeners(0, all);
  const verdicts = await Promise.all(
    runs.map(async ([action, input]) => [action, await isDenied(ec2, action, input, all)] as const),
  );
  return { denied: verdicts.flatMap(([action, denied]) => (denied ? [`ec2:${action}`] : [])), asked: runs.length };
}

async function isDenied(ec2: Ec2, action: Ec2Action, input: object, signal: AbortSignal): Promise<boolean> {
  try {
    await ec2.call(action, { ...input, DryRun: true }, signal);
    return false;
  } catch (error) {
    if (!isKibError(error)) throw error;
    if (error.code === 'KIB_EC2_UNAUTHORIZED') return true;
    if (['KIB_CANCELLED', 'KIB_EC2_CREDENTIALS', 'KIB_EC2_UNREACHABLE'].includes(error.code)) throw error;
    // DryRunOperation: allowed. Anything else was looked at only after the permission.
    return awsCode(error) === undefined;
  }
}
