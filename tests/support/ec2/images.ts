import { instanceOf, usableImage } from './describe-instance.ts';
import { ACCOUNT, type FakeAws } from './fake.ts';
import { FakeError } from './fake-error.ts';
import { type Handler, passes, tagSet, tagsFor } from './handlers.ts';
import { completesBy, newSnapshot } from './snapshots.ts';
import type { FakeImage, FakeRegion, FakeSnapshot } from './state.ts';
import { type Answer, list, type Params, text, texts } from './wire.ts';

const NAME = /^[A-Za-z0-9()[\] ./\-'@_]{3,128}$/;

export const imageHandlers: Readonly<Record<string, Handler>> = {
  DescribeImages: ({ aws, region, params }) => {
    const ids = texts(params, 'ImageId');
    for (const id of ids) {
      const one = region.images.get(id);
      if (region.goneImages.has(id)) throw new FakeError('InvalidAMIID.Unavailable', `The AMI ID '${id}' is no longer available`);
      if (one === undefined || !aws.isVisible(one))
        throw new FakeError('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
    }
    const owners = texts(params, 'Owner').map((owner) => (owner === 'self' ? ACCOUNT : owner));
    const found = [...region.images.values()].filter(
      (image) =>
        aws.isVisible(image) &&
        (ids.length === 0 || ids.includes(image.id)) &&
        (owners.length === 0 || owners.includes(image.owner)) &&
        passes(params, image.tags, {
          name: image.name,
          'image-id': image.id,
          architecture: image.architecture,
          state: image.state,
          'root-device-type': 'ebs',
          'virtualization-type': 'hvm',
        }),
    );
    return { imagesSet: found.map((image) => describe(region, image)) };
  },
  CreateImage: async ({ aws, region, params }) => {
    const name = freeName(region, params);
    const instance = instanceOf(region, text(params, 'InstanceId') ?? '');
    if (instance.state !== 'stopped' && instance.state !== 'running')
      throw new FakeError('IncorrectState', `Instance is not in state 'running' or 'stopped': ${instance.state}`);
    for (const one of list(params, 'TagSpecification'))
      if (!['image', 'snapshot'].includes(text(one, 'ResourceType') ?? ''))
        throw new FakeError('InvalidParameterValue', 'not a taggable resource type');
    const source = region.images.get(instance.imageId);
    const snapshot = newSnapshot(aws, region, instance.volume, tagsFor(params, 'snapshot'), name);
    await aws.hypervisor?.snapshot(instance, instance.volume.id, snapshot.id);
    const image = newImage(aws, region, name, params, snapshot, {
      architecture: source?.architecture ?? 'x86_64',
      rootDevice: instance.rootDevice,
      bootMode: source?.bootMode,
      tpm: source?.tpm,
      imds: source?.imds,
      productCodes: snapshot.productCodes,
      ena: source?.ena ?? false,
      usage: source?.usage ?? 'RunInstances',
    });
    return { imageId: image.id };
  },
  RegisterImage: ({ aws, region, params }) => {
    const name = freeName(region, params);
    const rootDevice = text(params, 'RootDeviceName') ?? '';
    const mapping = list(params, 'BlockDeviceMapping').find((one) => text(one, 'DeviceName') === rootDevice) as
      | Params
      | undefined;
    const id = text(mapping?.['Ebs'], 'SnapshotId') ?? '';
    const snapshot = region.snapshots.get(id);
    if (snapshot === undefined) throw new FakeError('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);
    if (snapshot.state !== 'completed') throw new FakeError('InvalidSnapshot.Incomplete', `Snapshot '${id}' is not completed`);
    const bootMode = text(params, 'BootMode');
    const tpm = text(params, 'TpmSupport');
    if (tpm !== undefined && bootMode !== 'uefi')
      throw new FakeError('InvalidParameterCombination', 'TpmSupport needs BootMode uefi');
    for (const one of list(params, 'TagSpecification'))
      if (text(one, 'ResourceType') !== 'image') throw new FakeError('InvalidParameterValue', 'RegisterImage tags images only');
    const image = newImage(aws, region, name, params, snapshot, {
      architecture: text(params, 'Architecture') ?? 'i386',
      rootDevice,
      bootMode,
      tpm,
      imds: text(params, 'ImdsSupport'),
      productCodes: snapshot.productCodes,
      ena: text(params, 'EnaSupport') === 'true',
      usage: 'RunInstances',
    });
    return { imageId: image.id };
  },
  CopyImage: ({ aws, region, params }) => {
    const token = text(params, 'ClientToken') ?? '';
    const known = region.tokens.get(token);
    if (known !== undefined) return { imageId: known.id };
    const name = freeName(region, params);
    const from = aws.region(text(params, 'SourceRegion') ?? '');
    const source = usableImage(from, text(params, 'SourceImageId') ?? '');
    const original = from.snapshots.get(source.snapshotId ?? '');
    const isEncrypted = text(params, 'Encrypted') === 'true' || original?.encrypted === true;
    const volume = {
      gib: source.gib,
      encrypted: isEncrypted,
      kmsKeyId: text(params, 'KmsKeyId'),
      productCodes: source.productCodes,
    };
    const snapshot = newSnapshot(aws, region, volume, tagsFor(params, 'snapshot'), name);
    const image = newImage(aws, region, name, params, snapshot, source);
    region.tokens.set(token, { call: 'CopyImage', id: image.id });
    return { imageId: image.id };
  },
  DeregisterImage: ({ region, params }) => {
    const image = ownImage(region, params);
    if (image.protection !== 'disabled')
      throw new FakeError('OperationNotPermitted', `The image ${image.id} has deregistration protection enabled`);
    region.images.delete(image.id);
    region.goneImages.add(image.id);
    return { return: true };
  },
  ModifyImageAttribute: ({ region, params }) => {
    const image = ownImage(region, params);
    if (image.state !== 'available') throw new FakeError('IncorrectState', `The image ${image.id} is ${image.state}`);
    const imds = text(params['ImdsSupport'], 'Value');
    if (imds !== undefined) image.imds = imds;
    for (const permission of list(params['LaunchPermission'], 'Add') as Params[]) {
      const [[key, value] = ['', '']] = Object.entries(permission) as [string, string][];
      if (key === 'Group') {
        if (region.publicBlock === 'block-new-sharing')
          throw new FakeError('OperationNotPermitted', 'You can’t publicly share this image: block public access is enabled');
        if (image.productCodes.length > 0)
          throw new FakeError('InvalidAMIAttributeItemValue', 'images with product codes cannot be public');
        if (region.snapshots.get(image.snapshotId ?? '')?.encrypted === true)
          throw new FakeError('InvalidParameter', 'Snapshots encrypted with the AWS Managed CMK can’t be shared');
      }
      if (key === 'UserId' && !/^\d{12}$/.test(value))
        throw new FakeError('InvalidUserID.Malformed', `Invalid user id: '${value}'`);
      image.permissions.push({ [key]: value });
    }
    return { return: true };
  },
  EnableImageDeprecation: ({ aws, region, params }) => {
    const image = ownImage(region, params);
    const at = text(params, 'DeprecateAt') ?? '';
    if (Number.isNaN(Date.parse(at)) || Date.parse(at) < aws.now())
      throw new FakeError('InvalidParameter', `The deprecation date must be in the future: ${at}`);
    image.deprecateAt = at;
    return { return: true };
  },
  EnableImageDeregistrationProtection: ({ region, params }) => {
    const image = ownImage(region, params);
    image.protection = text(params, 'WithCooldown') === 'true' ? 'enabled-with-cooldown' : 'enabled-without-cooldown';
    return { return: image.protection };
  },
  DisableImageDeregistrationProtection: ({ region, params }) => {
    const image = ownImage(region, params);
    image.protection = 'disabled';
    return { return: 'disabled' };
  },
  GetImageBlockPublicAccessState: ({ region }) => ({ imageBlockPublicAccessState: region.publicBlock }),
};

function freeName(region: FakeRegion, params: Params): string {
  const name = text(params, 'Name') ?? '';
  if (!NAME.test(name)) throw new FakeError('InvalidAMIName.Malformed', 'AMI names must be between 3 and 128 characters long');
  const taken = [...region.images.values()].find((image) => image.owner === ACCOUNT && image.name === name);
  if (taken !== undefined)
    throw new FakeError('InvalidAMIName.Duplicate', `AMI name ${name} is already in use by AMI ${taken.id}`);
  return name;
}

function newImage(
  aws: FakeAws,
  region: FakeRegion,
  name: string,
  params: Params,
  snapshot: FakeSnapshot,
  like: Pick<FakeImage, 'architecture' | 'rootDevice' | 'bootMode' | 'tpm' | 'imds' | 'productCodes' | 'ena' | 'usage'>,
): FakeImage {
  const failure = aws.failingImages.get(region.name);
  const image: FakeImage = {
    id: aws.id('ami'),
    name,
    owner: ACCOUNT,
    description: text(params, 'Description') ?? '',
    architecture: like.architecture,
    rootDevice: like.rootDevice,
    snapshotId: snapshot.id,
    gib: snapshot.gib,
    created: new Date(aws.now()).toISOString(),
    bootMode: like.bootMode,
    tpm: like.tpm,
    productCodes: like.productCodes,
    ena: like.ena,
    usage: like.usage,
    tags: tagsFor(params, 'image'),
    madeAt: aws.now(),
    imds: like.imds,
    permissions: [],
    deprecateAt: undefined,
    protection: 'disabled',
    reason: failure,
    state: 'pending',
    next: { state: failure === undefined ? 'available' : 'failed', at: completesBy(aws, snapshot) },
  };
  region.images.set(image.id, image);
  return image;
}

function ownImage(region: FakeRegion, params: Params): FakeImage {
  const id = text(params, 'ImageId') ?? '';
  if (region.goneImages.has(id)) throw new FakeError('InvalidAMIID.Unavailable', `The AMI ID '${id}' is no longer available`);
  const image = region.images.get(id);
  if (image === undefined) throw new FakeError('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
  if (image.owner !== ACCOUNT) throw new FakeError('AuthFailure', `Not authorized for images: [${id}]`, 403);
  return image;
}

function describe(region: FakeRegion, image: FakeImage): Answer {
  const snapshot = region.snapshots.get(image.snapshotId ?? '');
  // A pending image has no snapshot id for a while, as real ones.
  const isKnown = image.owner !== ACCOUNT || image.state !== 'pending' || Date.now() - image.madeAt > 20;
  return {
    imageId: image.id,
    imageLocation: `${image.owner}/${image.name}`,
    imageState: image.state,
    imageOwnerId: image.owner,
    isPublic: image.permissions.some(({ Group, group }) => Group === 'all' || group === 'all'),
    creationDate: image.created,
    productCodes: image.productCodes.map((productCode) => ({ productCode, type: 'marketplace' })),
    architecture: image.architecture,
    imageType: 'machine',
    name: image.name,
    description: image.description,
    rootDeviceType: 'ebs',
    rootDeviceName: image.rootDevice,
    blockDeviceMapping: [
      {
        deviceName: image.rootDevice,
        ebs: {
          snapshotId: isKnown ? image.snapshotId : undefined,
          volumeSize: image.gib,
          volumeType: 'gp3',
          deleteOnTermination: true,
          encrypted: snapshot?.encrypted ?? false,
        },
      },
    ],
    virtualizationType: 'hvm',
    hypervisor: 'xen',
    enaSupport: image.ena,
    platformDetails: image.usage === 'RunInstances' ? 'Linux/UNIX' : 'Red Hat Enterprise Linux',
    usageOperation: image.usage,
    bootMode: image.bootMode,
    tpmSupport: image.tpm,
    imdsSupport: image.imds,
    deprecationTime: image.deprecateAt,
    deregistrationProtection: image.protection,
    stateReason:
      image.reason === undefined || image.state !== 'failed' ? undefined : { code: 'Client.Failed', message: image.reason },
    tagSet: tagSet(image.tags),
  };
}
