import { instanceOf, reservation, usableImage } from './describe-instance.ts';
import { type FakeAws, fingerprint } from './fake.ts';
import { FakeError } from './fake-error.ts';
import { type Call, tagsFor } from './handlers.ts';
import { begin } from './lifecycle.ts';
import { SUBNETS } from './networks.ts';
import type { FakeInstance, FakeVolume } from './state.ts';
import { type Answer, list, type Params, text, texts } from './wire.ts';

export function runInstances({ aws, region, params }: Call): Answer {
  const token = text(params, 'ClientToken');
  const known = token === undefined ? undefined : region.tokens.get(token);
  if (known !== undefined) {
    if (known.call !== fingerprint(params))
      throw new FakeError(
        'IdempotentParameterMismatch',
        'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
      );
    return reservation(region, instanceOf(region, known.id));
  }
  const image = usableImage(region, text(params, 'ImageId') ?? '');
  const [card] = list(params, 'NetworkInterface');
  const subnet = text(card, 'SubnetId') ?? text(params, 'SubnetId') ?? SUBNETS[0].id;
  if (!SUBNETS.some(({ id }) => id === subnet))
    throw new FakeError('InvalidSubnetID.NotFound', `The subnet ID '${subnet}' does not exist`);
  const groups = texts(card, 'SecurityGroupId');
  for (const id of groups)
    if (!region.groups.has(id) && id !== 'sg-0a')
      throw new FakeError('InvalidGroup.NotFound', `The security group '${id}' does not exist`);
  if (card !== undefined && list(params, 'SecurityGroupId').length > 0)
    throw new FakeError(
      'InvalidParameterCombination',
      'Network interfaces and an instance-level security groups may not be specified on the same request',
    );
  const userData = Buffer.from(text(params, 'UserData') ?? '', 'base64');
  if (userData.length > 16 * 1024) throw new FakeError('InvalidParameterValue', 'User data is limited to 16384 bytes');
  if (text(params, 'MinCount') === undefined || text(params, 'MaxCount') === undefined)
    throw new FakeError('MissingParameter', 'The request must contain the parameter MinCount');
  const mappings = list(params, 'BlockDeviceMapping');
  const mapping = mappings.find((one) => text(one, 'DeviceName') === image.rootDevice);
  if (mappings.length > 0 && mapping === undefined) throw new FakeError('InvalidBlockDeviceMapping', 'no root device');
  const ebs = (mapping as Params | undefined)?.['Ebs'];
  const gib = Number(text(ebs, 'VolumeSize') ?? image.gib);
  if (gib < image.gib)
    throw new FakeError(
      'InvalidBlockDeviceMapping',
      `Volume of size ${gib}GB is smaller than snapshot '${image.snapshotId}', expect size >= ${image.gib}GB`,
    );
  const market = params['InstanceMarketOptions'] as Params | undefined;
  const isSpot = text(market, 'MarketType') === 'spot';
  if (aws.full.has(subnet) || (isSpot && aws.full.has('spot')))
    throw new FakeError(
      'InsufficientInstanceCapacity',
      `We currently do not have sufficient ${text(params, 'InstanceType')} capacity in the Availability Zone you requested.`,
      500,
    );
  const zone = `${region.name}${SUBNETS.find(({ id }) => id === subnet)?.zone ?? ''}`;
  const id = aws.id('i');
  const volume = newVolume(aws, {
    gib,
    zone,
    type: text(ebs, 'VolumeType') ?? 'gp2',
    ebs,
    snapshotId: image.snapshotId,
    productCodes: image.productCodes,
    tags: tagsFor(params, 'volume'),
  });
  const moreVolumes = mappings
    .filter((one) => one !== mapping)
    .map((one) => moreVolume(aws, (one as Params)['Ebs'], zone, tagsFor(params, 'volume')));
  for (const [index, one] of [volume, ...moreVolumes].entries()) {
    one.attachedTo = id;
    one.device = index === 0 ? image.rootDevice : text(mappings.filter((other) => other !== mapping)[index - 1], 'DeviceName');
    one.state = 'in-use';
    region.volumes.set(one.id, one);
  }
  const spot = market?.['SpotOptions'];
  const isPersistentSpot = text(spot, 'SpotInstanceType') === 'persistent';
  const spotRequest = isSpot ? aws.id('sir') : undefined;
  const instance: FakeInstance = {
    id,
    imageId: image.id,
    type: text(params, 'InstanceType') ?? '',
    subnet,
    groups,
    userData: userData.toString('base64'),
    clientToken: token ?? '',
    volume,
    moreVolumes,
    productCodes: image.productCodes,
    rootDevice: image.rootDevice,
    hasPublicIp: text(card, 'AssociatePublicIpAddress') === 'true',
    spotRequest,
    isPersistentSpot,
    shutdownBehavior: text(params, 'InstanceInitiatedShutdownBehavior') ?? 'stop',
    imdsTokens: text(params['MetadataOptions'], 'HttpTokens') ?? 'optional',
    tags: tagsFor(params, 'instance'),
    madeAt: aws.now(),
    address: undefined,
    reason: undefined,
    state: 'pending',
  };
  if (spotRequest !== undefined) {
    const tags = tagsFor(params, 'spot-instances-request');
    region.spotRequests.set(spotRequest, {
      id: spotRequest,
      tags,
      isPersistent: isPersistentSpot,
      state: 'active',
      instance: id,
    });
  }
  begin(aws, region, instance, image);
  region.instances.set(id, instance);
  if (token !== undefined) region.tokens.set(token, { call: fingerprint(params), id });
  return reservation(region, instance);
}

function newVolume(
  aws: FakeAws,
  given: {
    gib: number;
    zone: string;
    type: string;
    ebs: Params[string] | undefined;
    snapshotId: string | undefined;
    productCodes: readonly string[];
    tags: FakeVolume['tags'];
  },
): FakeVolume {
  return {
    id: aws.id('vol'),
    gib: given.gib,
    type: given.type,
    encrypted: text(given.ebs, 'Encrypted') === 'true',
    kmsKeyId: text(given.ebs, 'KmsKeyId'),
    snapshotId: given.snapshotId,
    productCodes: given.productCodes,
    zone: given.zone,
    attachedTo: undefined,
    device: undefined,
    tags: given.tags,
    madeAt: aws.now(),
    state: 'available',
  };
}

/** A volume that a call adds to those of the AMI: an empty one. */
function moreVolume(aws: FakeAws, ebs: Params[string] | undefined, zone: string, tags: FakeVolume['tags']): FakeVolume {
  const gib = text(ebs, 'VolumeSize');
  if (gib === undefined) throw new FakeError('MissingParameter', 'The request must contain the parameter size or snapshotId');
  if (text(ebs, 'DeleteOnTermination') !== 'true') throw new Error('the fake keeps no volumes of terminated instances');
  const type = text(ebs, 'VolumeType') ?? 'gp2';
  return newVolume(aws, { gib: Number(gib), zone, type, ebs, snapshotId: undefined, productCodes: [], tags });
}
