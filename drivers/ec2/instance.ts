import { gzipSync } from 'node:zlib';
import type { RunInstancesCommandInput } from '@aws-sdk/client-ec2';
import { type Tagging, tagged } from '../../src/aws/tags.ts';
import { GiB, KibError, type MachineSpec, type SeedFiles } from '../../src/core/index.ts';
import { type Ec2Options, spotOf } from './options.ts';

/** What RunInstances takes, before encoding (AWS: Instance user data). */
const USER_DATA_BYTES = 16 * 1024;

/** What launch found out, apart from options and machine. */
export interface InstanceFacts {
  readonly imageId: string;
  /** Of the AMI: `/dev/xvda`. */
  readonly rootDevice: string;
  readonly subnetId: string;
  readonly securityGroups: readonly string[];
  /** Base64. */
  readonly userData: string;
  readonly tagging: Tagging;
  /** Same for a repeated call, another for a changed one. */
  readonly clientToken: string;
  readonly isSpot: boolean;
  /** A second volume, empty, that goes with the instance. */
  readonly blank?: BlankVolume | undefined;
}

export interface BlankVolume {
  /** What EC2 calls it: `/dev/sdf`. */
  readonly device: string;
  readonly gib: number;
}

/** What RunInstances is called with. */
export function runInstances(machine: MachineSpec, options: Ec2Options, facts: InstanceFacts): RunInstancesCommandInput {
  return {
    ClientToken: facts.clientToken,
    ImageId: facts.imageId,
    InstanceType: instanceType(machine, options) as NonNullable<RunInstancesCommandInput['InstanceType']>,
    MinCount: 1,
    MaxCount: 1,
    UserData: facts.userData,
    InstanceInitiatedShutdownBehavior: options.shutdownBehavior,
    MetadataOptions: { HttpEndpoint: 'enabled', HttpTokens: 'required' },
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        SubnetId: facts.subnetId,
        Groups: [...facts.securityGroups],
        AssociatePublicIpAddress: wantsPublicIp(options),
        DeleteOnTermination: true,
      },
    ],
    BlockDeviceMappings: [
      { DeviceName: facts.rootDevice, Ebs: ebs(volumeGiB(machine), options) },
      ...(facts.blank === undefined ? [] : [{ DeviceName: facts.blank.device, Ebs: ebs(facts.blank.gib, options) }]),
    ],
    ...(options.keyPair === undefined ? {} : { KeyName: options.keyPair }),
    ...(options.instanceProfile === undefined ? {} : { IamInstanceProfile: profileOf(options.instanceProfile) }),
    ...(facts.isSpot ? { InstanceMarketOptions: market(options) } : {}),
    TagSpecifications: tagged(
      ['instance', 'volume', 'network-interface', ...(facts.isSpot ? (['spot-instances-request'] as const) : [])],
      facts.tagging,
    ),
  };
}

function ebs(gib: number, options: Ec2Options) {
  const { type, iops, throughput, kmsKeyId } = options.volume;
  return {
    VolumeSize: gib,
    VolumeType: type,
    DeleteOnTermination: true,
    ...(iops === undefined ? {} : { Iops: iops }),
    ...(throughput === undefined ? {} : { Throughput: throughput }),
    ...(isEncrypted(options) ? { Encrypted: true } : {}),
    ...(kmsKeyId === undefined ? {} : { KmsKeyId: kmsKeyId }),
  };
}

export function instanceType({ arch }: Pick<MachineSpec, 'arch'>, options: Pick<Ec2Options, 'instanceType'>): string {
  return options.instanceType ?? (arch === 'arm64' ? 't4g.small' : 't3.small');
}

/** Volumes are of whole GiB. */
export function volumeGiB({ diskBytes }: Pick<MachineSpec, 'diskBytes'>): number {
  return Math.ceil(diskBytes / GiB);
}

function wantsPublicIp({ publicIp, address, bastion }: Pick<Ec2Options, 'publicIp' | 'address' | 'bastion'>): boolean {
  return publicIp ?? (address === 'public' && bastion === undefined);
}

/** The seed as user data: plain where it fits, so that it can be looked at, else compressed, which cloud-init reads as well. */
export function encodeUserData({ 'user-data': text }: SeedFiles): string {
  const plain = Buffer.from(text);
  if (plain.length <= USER_DATA_BYTES) return plain.toString('base64');
  const packed = gzipSync(plain, { level: 9 });
  if (packed.length <= USER_DATA_BYTES) return packed.toString('base64');
  throw new KibError(
    'KIB_DRIVER_CANNOT',
    `the seed has ${plain.length} bytes, ${packed.length} compressed; EC2 takes ${USER_DATA_BYTES} bytes of user data`,
  );
}

/** A persistent request, since EC2 stops no other spot instance (AWS: Stop a Spot Instance); it is cancelled with the instance. */
function market(options: Ec2Options): NonNullable<RunInstancesCommandInput['InstanceMarketOptions']> {
  const spot = spotOf(options);
  const maxPrice = spot !== undefined && 'maxPrice' in spot ? spot.maxPrice : undefined;
  return {
    MarketType: 'spot',
    SpotOptions: {
      SpotInstanceType: 'persistent',
      InstanceInterruptionBehavior: 'stop',
      ...(maxPrice === undefined ? {} : { MaxPrice: maxPrice }),
    },
  };
}

function isEncrypted({ volume }: Ec2Options): boolean {
  return volume.encrypted ?? volume.kmsKeyId !== undefined;
}

/** An instance profile by what the option says. */
export function profileOf(nameOrArn: string) {
  return nameOrArn.startsWith('arn:') ? { Arn: nameOrArn } : { Name: nameOrArn };
}
