import { type Naming, publishAmi, tagsPerType } from '../../src/aws/ami.ts';
import { Ec2 } from '../../src/aws/api.ts';
import { removeImage } from '../../src/aws/remove.ts';
import { tagged } from '../../src/aws/tags.ts';
import {
  type ArtifactSubject,
  type Context,
  type ImageAbility,
  type ImageFormat,
  KibError,
  type PublishedImages,
  type RemoteBase,
  type RemoteImage,
  releasing,
  type SealedDisk,
  sha256,
} from '../../src/core/index.ts';
import { findBase } from './base.ts';
import { type Ec2Options, pollMs } from './options.ts';
import { reachOf } from './reach.ts';
import { registerVolume } from './register-volume.ts';
import { describeInstance, volumeOf } from './state.ts';

/** AMIs: what to start from, and what is made of a stopped instance. */
export const images: ImageAbility<Ec2Options> = { findBase, publish, baseOf, exists, remove };

async function publish(
  disk: SealedDisk,
  format: ImageFormat,
  subject: ArtifactSubject,
  options: Ec2Options,
  context: Context,
): Promise<PublishedImages> {
  if (format !== 'ami' || disk.kind !== 'remote') {
    throw new KibError('KIB_DRIVER_CANNOT', `EC2 makes an AMI of a stopped instance, not ${format} of a ${disk.kind} disk`);
  }
  const ec2 = await Ec2.open(options, reachOf(context));
  context.scope.defer('API', () => ec2[Symbol.dispose]());
  const request = { ec2, options: options.ami, tags: options.tags, pollMs: pollMs(options), subject };
  return publishAmi(request, context, async (naming) => {
    // What CreateImage cannot say needs an AMI that is registered anew.
    const isRegistered = options.ami.bootMode !== undefined || options.ami.tpm;
    return isRegistered
      ? registerRoot(ec2, disk.id, naming, subject, options, context)
      : createImage(ec2, disk.id, naming, options);
  });
}

async function createImage(ec2: Ec2, instance: string, naming: Naming, options: Ec2Options): Promise<string> {
  const { name, description, owned } = naming;
  const { ImageId = '' } = await ec2.call('CreateImage', {
    InstanceId: instance,
    Name: name,
    Description: description,
    TagSpecifications: tagged(['image', 'snapshot'], owned.tagging, tagsPerType(options.ami)),
  });
  return ImageId;
}

async function registerRoot(
  ec2: Ec2,
  instance: string,
  naming: Naming,
  { machine }: ArtifactSubject,
  options: Ec2Options,
  context: Context,
): Promise<string> {
  const described = await describeInstance(ec2, instance, context.signal);
  const rootDevice = described?.RootDeviceName;
  const volume = volumeOf(described, rootDevice);
  if (rootDevice === undefined || volume === undefined) {
    throw new KibError('KIB_EC2_IMAGE', `instance ${instance} has no root volume to make a snapshot of`);
  }
  const disk = { arch: machine.arch, rootDevice, bootMode: options.ami.bootMode };
  return registerVolume(ec2, volume, disk, naming, options, context);
}

function baseOf({ id, location, facts }: RemoteImage): RemoteBase {
  return { kind: 'remote', source: { kind: 'ami', ami: { id } }, id, sha256: sha256(id), facts: { ...facts, region: location } };
}

async function exists({ id, location }: RemoteImage, options: Ec2Options, context: Context): Promise<boolean> {
  using ec2 = await Ec2.open({ ...options, region: location }, reachOf(context));
  const filters = [{ Name: 'image-id', Values: [id] }];
  const { Images: [image] = [] } = await ec2.call(
    'DescribeImages',
    { Filters: filters, IncludeDeprecated: true },
    context.signal,
  );
  return image?.State === 'available';
}

async function remove({ id, location }: RemoteImage, options: Ec2Options, context: Context): Promise<void> {
  const ec2 = await Ec2.open({ ...options, region: location }, reachOf(context));
  const { clock, signal } = context;
  await releasing(
    async () => ec2[Symbol.dispose](),
    () => removeImage(ec2, id, { clock, signal, pollMs: pollMs(options) }),
  );
}
