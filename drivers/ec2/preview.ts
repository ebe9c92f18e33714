import { tagsPerType } from '../../src/aws/ami.ts';
import { registration } from '../../src/aws/register.ts';
import { tagged } from '../../src/aws/tags.ts';
import type { MachineSpec, PreviewLine } from '../../src/core/index.ts';
import { runInstances } from './instance.ts';
import { type Ec2Options, spotOf } from './options.ts';

export const TAGGING = { buildId: '{build}', resource: '{resource}', expires: '{expires}', name: '{name}' };

/** The calls that launch and publish make, with their parameters; what only they know stands in braces. Pure. */
export function preview(machine: MachineSpec, options: Ec2Options): readonly PreviewLine[] {
  const { ami, region } = options;
  const tagging = { ...TAGGING, tags: options.tags };
  const run = runInstances(machine, options, {
    imageId: '{base}',
    rootDevice: '{root device of the base}',
    subnetId: options.subnets[0] ?? '{subnet}',
    securityGroups: options.securityGroups.length > 0 ? options.securityGroups : ['{security group}'],
    userData: '{seed}',
    tagging,
    clientToken: '{resource}-1',
    isSpot: spotOf(options) !== undefined,
  });
  const naming = { name: ami.name, description: ami.description ?? '{name}', owned: { tagging } };
  const isRegistered = ami.bootMode !== undefined || ami.tpm;
  const disk = { snapshotId: '{snapshot}', arch: machine.arch, rootDevice: '{root device}', bootMode: ami.bootMode };
  const made = isRegistered
    ? [
        call('Make a snapshot of its volume', 'CreateSnapshot', { VolumeId: '{volume}' }),
        call('Make the AMI', 'RegisterImage', registration(disk, naming as Parameters<typeof registration>[1], ami)),
      ]
    : [
        call('Make the AMI', 'CreateImage', {
          InstanceId: '{instance}',
          Name: ami.name,
          TagSpecifications: tagged(['image', 'snapshot'], tagging, tagsPerType(ami)),
        }),
      ];
  const others = ami.regions === 'all' ? ['{every other region}'] : ami.regions.filter((other) => other !== region);
  return [
    ...groupCalls(options),
    call('Start the instance', 'RunInstances', run),
    call('Stop it', 'StopInstances', { InstanceIds: ['{instance}'] }),
    ...made,
    ...others.map((other) =>
      call(`Copy it to ${other}`, 'CopyImage', {
        SourceRegion: region,
        ...(ami.kmsKeyIds[other] === undefined ? {} : { Encrypted: true, KmsKeyId: ami.kmsKeyIds[other] }),
      }),
    ),
  ];
}

/** What makes the security group, where none is given. */
export function groupCalls(options: Ec2Options): readonly PreviewLine[] {
  if (options.securityGroups.length > 0) return [];
  const isInside = options.bastion !== undefined || options.address === 'private';
  return [
    call('Make a security group', 'CreateSecurityGroup', { GroupName: 'kib-{resource}', VpcId: options.vpc ?? '{VPC}' }),
    call('Let SSH in', 'AuthorizeSecurityGroupIngress', {
      GroupId: '{security group}',
      FromPort: 22,
      From: options.allowFrom ?? [isInside ? '{VPC}' : 'own'],
    }),
  ];
}

export function call(title: string, action: string, input: object): PreviewLine {
  return { title, argv: [`ec2:${action}`, JSON.stringify(input)] };
}
