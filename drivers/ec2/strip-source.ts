import type { Image } from '@aws-sdk/client-ec2';
import type { Ec2 } from '../../src/aws/api.ts';
import { EC2_ARCH } from '../../src/aws/register.ts';
import { type Arch, GiB, KibError, type MachineSpec } from '../../src/core/index.ts';
import type { Ec2Options } from './options.ts';

/** An AMI with a product code that can be stripped of it. */
export interface Strippable {
  readonly image: Image;
  readonly machine: MachineSpec;
  readonly rootDevice: string;
  readonly gib: number;
  readonly ena: boolean;
  /** What an AMI with the same disk needs to start alike. */
  readonly ami: Pick<Ec2Options['ami'], 'bootMode' | 'tpm' | 'imdsV2'>;
}

/** Looks the AMI up. Throws KIB_BASE_MISSING, KIB_DRIVER_CANNOT. */
export async function findStrippable(ec2: Ec2, id: string, signal: AbortSignal): Promise<Strippable> {
  const { Images: [image] = [] } = await ec2.call('DescribeImages', { ImageIds: [id], IncludeDeprecated: true }, signal);
  return requireStrippable(image, id);
}

function requireStrippable(image: Image | undefined, id: string): Strippable {
  const cannot = (message: string, hint?: string) => new KibError('KIB_DRIVER_CANNOT', `AMI ${id} ${message}`, { hint });
  if (image === undefined) {
    throw new KibError('KIB_BASE_MISSING', `there is no AMI ${id}`, {
      hint: 'AMIs are of one region; is the product subscribed to?',
    });
  }
  const { ProductCodes = [], BlockDeviceMappings = [], RootDeviceName: rootDevice, UsageOperation: usage } = image;
  if (ProductCodes.length === 0) throw cannot('has no product code', `base: { ami: ${id} } takes it as it is`);
  const arch = (Object.keys(EC2_ARCH) as Arch[]).find((one) => EC2_ARCH[one] === image.Architecture);
  if (arch === undefined) throw cannot(`is for ${image.Architecture}`);
  // EC2 bills such systems by what an AMI was made from; one that is registered anew would not be.
  if (usage !== undefined && usage !== 'RunInstances') {
    throw cannot(`is billed by EC2 as ${image.PlatformDetails ?? usage}, which an AMI made of its disk would not be`);
  }
  const volumes = BlockDeviceMappings.filter(({ Ebs }) => Ebs?.SnapshotId !== undefined);
  const root = volumes.find(({ DeviceName }) => DeviceName === rootDevice);
  const gib = root?.Ebs?.VolumeSize;
  if (rootDevice === undefined || gib === undefined) throw cannot('has no EBS root volume');
  if (volumes.length > 1) throw cannot(`has ${volumes.length} volumes; only the root volume would be copied`);
  const firmware = image.BootMode === 'legacy-bios' && arch === 'amd64' ? 'bios' : 'uefi';
  const machine: MachineSpec = { arch, firmware, cpus: 2, memoryBytes: 2 * GiB, diskBytes: gib * GiB, x86Level: 1 };
  return { image, machine, rootDevice, gib, ena: image.EnaSupport !== false, ami: attributesOf(image) };
}

function attributesOf({ BootMode, TpmSupport, ImdsSupport }: Image): Strippable['ami'] {
  return { bootMode: BootMode, tpm: TpmSupport === 'v2.0', imdsV2: ImdsSupport === 'v2.0' };
}
