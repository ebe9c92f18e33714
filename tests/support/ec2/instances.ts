import { type FakeAws, fingerprint } from './fake.ts';
import { FakeError } from './fake-error.ts';
import { type Call, type Handler, passes, tagSet, tagsFor } from './handlers.ts';
import { SUBNETS, VPC } from './networks.ts';
import type { FakeImage, FakeInstance, FakeRegion, FakeVolume } from './state.ts';
import { type Answer, list, type Params, text, texts } from './wire.ts';

const CODES: Readonly<Record<string, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};
const KEPT_BYTES = 64 * 1024;

export const instanceHandlers: Readonly<Record<string, Handler>> = {
  RunInstances: runInstances,
  DescribeInstances: ({ aws, region, params }) => {
    const ids = texts(params, 'InstanceId');
    for (const id of ids) {
      const one = region.instances.get(id);
      if (one === undefined || !aws.isVisible(one)) throw notFound(id);
    }
    const found = [...region.instances.values()].filter(
      (instance) =>
        aws.isVisible(instance) &&
        (ids.length === 0 || ids.includes(instance.id)) &&
        passes(params, instance.tags, { 'instance-state-name': instance.state, 'client-token': instance.clientToken }),
    );
    return { reservationSet: found.map((instance) => reservation(region, instance)) };
  },
  StopInstances: async ({ aws, region, params }) => {
    const found = texts(params, 'InstanceId').map((id) => instanceOf(region, id));
    for (const instance of found) {
      if (instance.spotRequest !== undefined && !instance.isPersistentSpot)
        throw new FakeError(
          'UnsupportedOperation',
          `You can't stop the Spot Instance '${instance.id}' because it is associated with a one-time Spot Instance request`,
        );
      if (instance.state !== 'running' && instance.state !== 'stopping' && instance.state !== 'stopped')
        throw new FakeError(
          'IncorrectInstanceState',
          `The instance '${instance.id}' is not in a state from which it can be stopped.`,
        );
    }
    const changes = found.map((instance) => change(instance, () => stop(aws, instance)));
    return { instancesSet: changes };
  },
  TerminateInstances: ({ aws, region, params }) => ({
    instancesSet: texts(params, 'InstanceId').map((id) => {
      const instance = instanceOf(region, id);
      return change(instance, () => terminate(aws, region, instance));
    }),
  }),
  GetConsoleOutput: async ({ aws, region, params }) => {
    const instance = instanceOf(region, text(params, 'InstanceId') ?? '');
    const output = (await aws.hypervisor?.console(instance)) ?? Buffer.from(`Linux version 6.12\r\n${instance.id} login: `);
    return {
      instanceId: instance.id,
      timestamp: new Date(aws.now()).toISOString(),
      output: output.subarray(Math.max(0, output.length - KEPT_BYTES)).toString('base64'),
    };
  },
  DescribeSpotInstanceRequests: ({ region, params }) => ({
    spotInstanceRequestSet: [...region.spotRequests.values()]
      .filter(({ tags, state }) => passes(params, tags, { state }))
      .map(({ id, state, instance, isPersistent, tags }) => ({
        spotInstanceRequestId: id,
        type: isPersistent ? 'persistent' : 'one-time',
        state,
        instanceId: instance,
        tagSet: tagSet(tags),
      })),
  }),
  CancelSpotInstanceRequests: ({ region, params }) => ({
    spotInstanceRequestSet: texts(params, 'SpotInstanceRequestId').map((id) => {
      const request = region.spotRequests.get(id);
      if (request === undefined)
        throw new FakeError('InvalidSpotInstanceRequestID.NotFound', `The spot instance request ID '${id}' does not exist`);
      request.state = 'cancelled';
      return { spotInstanceRequestId: id, state: 'cancelled' };
    }),
  }),
};

function runInstances({ aws, region, params }: Call): Answer {
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
  const [mapping] = list(params, 'BlockDeviceMapping');
  const device = text(mapping, 'DeviceName') ?? image.rootDevice;
  if (device !== image.rootDevice) throw new FakeError('InvalidBlockDeviceMapping', `no root device in ${device}`);
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
    tags: tagsFor(params, 'volume'),
  });
  volume.attachedTo = id;
  volume.device = image.rootDevice;
  volume.state = 'in-use';
  region.volumes.set(volume.id, volume);
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

function begin(aws: FakeAws, region: FakeRegion, instance: FakeInstance, image: FakeImage): void {
  const run = () => {
    if (instance.state === 'pending') instance.next = { state: 'running', at: aws.now() + aws.settleMs };
  };
  if (aws.hypervisor === undefined) {
    instance.address = aws.address;
    run();
    return;
  }
  const onOff = () => {
    instance.reason = {
      code: 'Client.InstanceInitiatedShutdown',
      message: 'Client.InstanceInitiatedShutdown: Instance initiated shutdown',
    };
    if (instance.shutdownBehavior === 'terminate') terminate(aws, region, instance);
    else instance.state = 'stopped';
  };
  aws.hypervisor.start(instance, image, onOff).then(
    (address) => {
      instance.address = address;
      return run();
    },
    (error: unknown) => {
      instance.reason = { code: 'Server.InternalError', message: `Server.InternalError: ${String(error)}` };
      terminate(aws, region, instance);
    },
  );
}

function stop(aws: FakeAws, instance: FakeInstance): void {
  if (instance.state !== 'running') return;
  instance.state = 'stopping';
  instance.reason = { code: 'Client.UserInitiatedShutdown', message: 'Client.UserInitiatedShutdown: User initiated shutdown' };
  if (aws.isDeaf) return;
  const request = aws.spotRequestOf(instance);
  if (request !== undefined) request.state = 'disabled';
  const off = () => {
    if (instance.state === 'stopping') instance.next = { state: 'stopped', at: aws.now() + aws.settleMs };
  };
  if (aws.hypervisor === undefined) off();
  else aws.hypervisor.stop(instance).then(off, off);
}

function terminate(aws: FakeAws, region: FakeRegion, instance: FakeInstance): void {
  if (instance.state === 'terminated' || instance.state === 'shutting-down') return;
  instance.state = 'shutting-down';
  const onSet = () => {
    const volume = region.volumes.get(instance.volume.id);
    if (volume !== undefined) region.volumes.delete(volume.id);
    const request = instance.spotRequest === undefined ? undefined : region.spotRequests.get(instance.spotRequest);
    if (request === undefined || !['active', 'disabled'].includes(request.state)) return;
    if (!request.isPersistent) {
      request.state = 'closed';
      return;
    }
    // A persistent request that was not cancelled starts another one.
    const again: FakeInstance = { ...instance, id: aws.id('i'), madeAt: aws.now(), state: 'running', next: undefined };
    request.instance = again.id;
    region.instances.set(again.id, again);
  };
  const gone = () => {
    instance.next = { state: 'terminated', at: aws.now() + aws.settleMs, onSet };
  };
  if (aws.hypervisor === undefined) gone();
  else aws.hypervisor.remove(instance).then(gone, gone);
}

function newVolume(
  aws: FakeAws,
  given: {
    gib: number;
    zone: string;
    type: string;
    ebs: Params[string] | undefined;
    snapshotId: string | undefined;
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
    zone: given.zone,
    attachedTo: undefined,
    device: undefined,
    tags: given.tags,
    madeAt: aws.now(),
    state: 'available',
  };
}

function change(instance: FakeInstance, work: () => void): Answer {
  const previous = instance.state;
  work();
  return {
    instanceId: instance.id,
    previousState: { code: CODES[previous], name: previous },
    currentState: { code: CODES[instance.state], name: instance.state },
  };
}

function reservation(region: FakeRegion, instance: FakeInstance): Answer {
  const isUp = instance.state === 'running';
  const subnet = SUBNETS.find(({ id }) => id === instance.subnet);
  return {
    reservationId: `r-${instance.id.slice(2)}`,
    ownerId: '111122223333',
    instancesSet: [
      {
        instanceId: instance.id,
        imageId: instance.imageId,
        instanceState: { code: CODES[instance.state], name: instance.state },
        privateIpAddress: instance.state === 'terminated' ? undefined : (instance.address ?? '172.31.0.10'),
        ipAddress: isUp && instance.hasPublicIp ? instance.address : undefined,
        instanceType: instance.type,
        launchTime: new Date(instance.madeAt).toISOString(),
        placement: { availabilityZone: `${region.name}${subnet?.zone ?? ''}`, tenancy: 'default' },
        subnetId: instance.subnet,
        vpcId: VPC.id,
        architecture: 'x86_64',
        rootDeviceType: 'ebs',
        rootDeviceName: instance.rootDevice,
        clientToken: instance.clientToken,
        spotInstanceRequestId: instance.spotRequest,
        instanceLifecycle: instance.spotRequest === undefined ? undefined : 'spot',
        stateReason: instance.reason === undefined ? undefined : { ...instance.reason },
        groupSet: instance.groups.map((groupId) => ({ groupId, groupName: groupId })),
        blockDeviceMapping:
          instance.state === 'terminated'
            ? []
            : [
                {
                  deviceName: instance.rootDevice,
                  ebs: { volumeId: instance.volume.id, status: 'attached', deleteOnTermination: true },
                },
              ],
        metadataOptions: { state: 'applied', httpTokens: instance.imdsTokens, httpEndpoint: 'enabled' },
        tagSet: tagSet(instance.tags),
      },
    ],
  };
}

export function instanceOf(region: FakeRegion, id: string): FakeInstance {
  const instance = region.instances.get(id);
  if (instance === undefined) throw notFound(id);
  return instance;
}

function notFound(id: string): FakeError {
  return new FakeError('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`);
}

export function usableImage(region: FakeRegion, id: string): FakeImage {
  const image = region.images.get(id);
  if (image === undefined) throw new FakeError('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
  if (image.state !== 'available')
    throw new FakeError('InvalidAMIID.Unavailable', `The AMI ID '${id}' is currently ${image.state}`);
  return image;
}
