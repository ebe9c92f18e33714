import type { RegisterImageCommandInput } from '@aws-sdk/client-ec2';
import type { Arch } from '../core/index.ts';
import { type Naming, tagsPerType } from './ami.ts';
import type { Ec2 } from './api.ts';
import type { AmiOptions } from './options.ts';
import { tagged } from './tags.ts';

/** Architectures as EC2 spells them. */
export const EC2_ARCH: Readonly<Record<Arch, 'x86_64' | 'arm64'>> = { amd64: 'x86_64', arm64: 'arm64' };

/** The disk that an AMI is registered with. */
export interface RegisteredDisk {
  readonly snapshotId: string;
  readonly arch: Arch;
  /** `/dev/xvda`; what the guest calls it is another matter on Nitro. */
  readonly rootDevice: string;
  readonly bootMode: NonNullable<AmiOptions['bootMode']> | undefined;
  /** Whether the guest has a driver for the Elastic Network Adapter. Default: true. */
  readonly ena?: boolean | undefined;
}

/** Makes an AMI of a snapshot: for HVM with ENA and NVMe, as every current instance type needs. Returns its id; it may still be pending. */
export async function registerImage(ec2: Ec2, disk: RegisteredDisk, naming: Naming, options: AmiOptions): Promise<string> {
  const { ImageId = '' } = await ec2.call('RegisterImage', registration(disk, naming, options));
  return ImageId;
}

export function registration(
  { snapshotId, arch, rootDevice, bootMode, ena = true }: RegisteredDisk,
  { name, description, owned }: Pick<Naming, 'name' | 'description' | 'owned'>,
  options: AmiOptions,
): RegisterImageCommandInput {
  return {
    Name: name,
    Description: description,
    Architecture: EC2_ARCH[arch],
    RootDeviceName: rootDevice,
    BlockDeviceMappings: [
      { DeviceName: rootDevice, Ebs: { SnapshotId: snapshotId, VolumeType: 'gp3', DeleteOnTermination: true } },
    ],
    VirtualizationType: 'hvm',
    EnaSupport: ena,
    SriovNetSupport: 'simple',
    ...(bootMode === undefined ? {} : { BootMode: bootMode }),
    ...(options.tpm ? { TpmSupport: 'v2.0' } : {}),
    ...(options.imdsV2 ? { ImdsSupport: 'v2.0' } : {}),
    TagSpecifications: tagged(['image'], owned.tagging, tagsPerType(options)),
  };
}
