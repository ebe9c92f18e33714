import type { Image } from '@aws-sdk/client-ec2';
import { Ec2, readParameter } from '../../src/aws/api.ts';
import { EC2_ARCH } from '../../src/aws/register.ts';
import {
  type AmiSelector,
  type Context,
  formatBytes,
  GiB,
  KibError,
  type LaunchRequest,
  type MachineSpec,
  type RemoteBase,
  type RemoteSource,
  sha256,
} from '../../src/core/index.ts';
import type { Ec2Options } from './options.ts';
import { reachOf } from './reach.ts';

/** Looks a base AMI up, and whether machines of it can be built on. Throws KIB_BASE_MISSING, KIB_DRIVER_CANNOT, KIB_EC2…. */
export async function findBase(
  source: RemoteSource,
  machine: MachineSpec,
  options: Ec2Options,
  context: Context,
): Promise<RemoteBase> {
  if (source.kind !== 'ami') throw new KibError('KIB_DRIVER_CANNOT', `EC2 has AMIs, no base of kind ${source.kind}`);
  using ec2 = await Ec2.open(options, reachOf(context));
  const image = await find(ec2, source.ami, machine, context);
  requireUsable(image, machine);
  if (isMarketplace(image)) {
    context.span.warn(
      'KIB_EC2_PRODUCT_CODE',
      `${image.ImageId} has a product code of the AWS Marketplace: an AMI made of it carries it on, and cannot be made public`,
      `kib-native ec2 strip-product-code ${image.ImageId} --region ${options.region} makes a base without it`,
    );
    if (options.ami.public) {
      throw new KibError(
        'KIB_DRIVER_CANNOT',
        `an AMI made of ${image.ImageId} cannot be public: it has a Marketplace product code`,
        {
          hint: `kib-native ec2 strip-product-code ${image.ImageId} --region ${options.region} makes a base without it`,
        },
      );
    }
  }
  return baseFrom(image);
}

/** An AMI as a base; its id never outlives its content. */
export function baseFrom(image: Image): RemoteBase {
  const id = image.ImageId ?? '';
  const facts = {
    name: image.Name,
    owner: image.OwnerId,
    created: image.CreationDate,
    rootDevice: image.RootDeviceName,
    bootMode: image.BootMode,
  };
  const known = Object.entries(facts).filter((fact): fact is [string, string] => fact[1] !== undefined);
  return { kind: 'remote', source: { kind: 'ami', ami: { id } }, id, sha256: sha256(id), facts: Object.fromEntries(known) };
}

/** The AMI that a machine is to start from, as EC2 describes it now. Throws KIB_BASE_MISSING, KIB_DRIVER_CANNOT, KIB_BASE_REMOTE. */
export async function describeBase(ec2: Ec2, { base, machine }: LaunchRequest, signal: AbortSignal): Promise<Image> {
  if (!('id' in base) || base.source.kind !== 'ami') {
    throw new KibError('KIB_DRIVER_CANNOT', 'EC2 starts machines from AMIs, not from a disk image of this host', {
      hint: 'base: ami; kib-native publish ami makes an AMI of a disk image',
    });
  }
  const image = await byId(ec2, base.id, signal);
  requireUsable(image, machine);
  return image;
}

async function find(ec2: Ec2, ami: AmiSelector, machine: MachineSpec, context: Context): Promise<Image> {
  const { signal } = context;
  if ('id' in ami) return byId(ec2, ami.id, signal);
  if ('ssmParameter' in ami) {
    const value = await readParameter(ec2.place, ami.ssmParameter, ec2.reach, signal);
    const id = idIn(value);
    if (id !== undefined) return byId(ec2, id, signal);
    throw new KibError('KIB_BASE_MISSING', `SSM parameter ${ami.ssmParameter} in ${ec2.region} names no AMI`, {
      details: { value: value.slice(0, 200) },
    });
  }
  return newest(ec2, ami, machine, signal);
}

async function byId(ec2: Ec2, id: string, signal: AbortSignal): Promise<Image> {
  const { Images: [image] = [] } = await ec2.call('DescribeImages', { ImageIds: [id], IncludeDeprecated: true }, signal);
  if (image !== undefined) return image;
  throw new KibError('KIB_BASE_MISSING', `there is no AMI ${id} in ${ec2.region}`, {
    hint: 'AMIs are of one region and account: is it there, and shared with yours?',
  });
}

async function newest(
  ec2: Ec2,
  { owner, name }: { readonly owner: string; readonly name: string },
  { arch }: MachineSpec,
  signal: AbortSignal,
): Promise<Image> {
  const filters = {
    name,
    architecture: EC2_ARCH[arch],
    state: 'available',
    'root-device-type': 'ebs',
    'virtualization-type': 'hvm',
  };
  const Filters = Object.entries(filters).map(([Name, value]) => ({ Name, Values: [value] }));
  const { Images = [] } = await ec2.call('DescribeImages', { Owners: [owner], Filters }, signal);
  // Those made at the same second in the order of their names, so that it is the same one every time.
  const [image] = [...Images].sort((a, b) => order(b).localeCompare(order(a)));
  if (image !== undefined) return image;
  throw new KibError('KIB_BASE_MISSING', `${owner} has no AMI called ${name} for ${EC2_ARCH[arch]} in ${ec2.region}`, {
    hint: 'AMIs are of one region; give base.ami with an id, or another owner and name',
  });
}

function order({ CreationDate = '', Name = '' }: Image): string {
  return `${CreationDate} ${Name}`;
}

function requireUsable(image: Image, machine: MachineSpec): void {
  const { ImageId: id, Architecture: arch, RootDeviceType: type, State: state } = image;
  const cannot = (message: string, hint?: string) =>
    new KibError('KIB_DRIVER_CANNOT', message, hint === undefined ? {} : { hint });
  if (state !== 'available') throw new KibError('KIB_BASE_MISSING', `AMI ${id} is ${state}, not available`);
  if (arch !== EC2_ARCH[machine.arch]) throw cannot(`AMI ${id} is for ${arch}, the image for ${EC2_ARCH[machine.arch]}`);
  if (type !== 'ebs' || image.RootDeviceName === undefined) throw cannot(`AMI ${id} has no EBS root volume`);
  const root = image.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === image.RootDeviceName);
  const bytes = (root?.Ebs?.VolumeSize ?? 0) * GiB;
  if (bytes > machine.diskBytes) {
    throw cannot(
      `AMI ${id} has a root volume of ${formatBytes(bytes)}, larger than the disk of ${formatBytes(machine.diskBytes)}`,
      `disk: ${formatBytes(bytes)}`,
    );
  }
  if (image.BootMode === 'uefi' && machine.firmware === 'bios') throw cannot(`AMI ${id} boots with UEFI only`, 'firmware: uefi');
}

function isMarketplace({ ProductCodes = [] }: Image): boolean {
  return ProductCodes.length > 0;
}

/** Parameters hold the id itself, or JSON with `image_id` (those of ECS and EKS). */
function idIn(value: string): string | undefined {
  return /^ami-[0-9a-f]+$/.exec(value.trim())?.[0] ?? /"image_id"\s*:\s*"(ami-[0-9a-f]+)"/.exec(value)?.[1];
}
