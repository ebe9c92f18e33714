import { Ec2 } from '../../src/aws/api.ts';
import { registration } from '../../src/aws/register.ts';
import { tagged } from '../../src/aws/tags.ts';
import type { Context, PreviewLine } from '../../src/core/index.ts';
import { runInstances } from './instance.ts';
import { call, groupCalls, TAGGING } from './preview.ts';
import { reachOf } from './reach.ts';
import { DEVICE, type StripRequest } from './strip.ts';
import { findStrippable } from './strip-source.ts';

/** The calls that stripping an AMI would make, in order; what only they know stands in braces. Looks the AMI up and changes nothing. */
export async function previewStrip(
  { ami, options }: StripRequest,
  context: Pick<Context, 'clock' | 'network' | 'signal'>,
): Promise<readonly PreviewLine[]> {
  using ec2 = await Ec2.open(options, reachOf(context));
  const { machine, rootDevice, gib, ena, ami: attributes } = await findStrippable(ec2, ami, context.signal);
  const tagging = { ...TAGGING, tags: options.tags };
  const run = runInstances(machine, options, {
    imageId: ami,
    rootDevice,
    subnetId: options.subnets[0] ?? '{subnet}',
    securityGroups: options.securityGroups.length > 0 ? options.securityGroups : ['{security group}'],
    userData: '{seed}',
    tagging,
    clientToken: '{resource}-1',
    isSpot: false,
    blank: { device: DEVICE, gib },
  });
  const made = { ...options.ami, ...attributes };
  const disk = { snapshotId: '{snapshot}', arch: machine.arch, rootDevice, bootMode: made.bootMode, ena };
  const naming = { name: made.name, description: made.description ?? '{name}', owned: { tagging } };
  return [
    ...groupCalls(options),
    call('Start a helper with an empty volume', 'RunInstances', run),
    { title: `Copy its disk to ${DEVICE}, over SSH`, argv: ['fsfreeze', 'dd', 'cmp'] },
    call('Stop it', 'StopInstances', { InstanceIds: ['{instance}'] }),
    call('Make a snapshot of the copy', 'CreateSnapshot', {
      VolumeId: `{volume ${DEVICE}}`,
      TagSpecifications: tagged(['snapshot'], tagging),
    }),
    call('Make the AMI', 'RegisterImage', registration(disk, naming as Parameters<typeof registration>[1], made)),
    call('Remove the helper', 'TerminateInstances', { InstanceIds: ['{instance}'] }),
  ];
}
