import { FakeError } from './fake-error.ts';
import { tagSet } from './handlers.ts';
import { SUBNETS, VPC } from './networks.ts';
import type { FakeImage, FakeInstance, FakeRegion } from './state.ts';
import type { Answer } from './wire.ts';

export const CODES: Readonly<Record<string, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

export function reservation(region: FakeRegion, instance: FakeInstance): Answer {
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
            : [instance.volume, ...instance.moreVolumes].map(({ id, device }) => ({
                deviceName: device,
                ebs: { volumeId: id, status: 'attached', deleteOnTermination: true },
              })),
        productCodes: instance.productCodes.map((productCode) => ({ productCode, type: 'marketplace' })),
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

export function notFound(id: string): FakeError {
  return new FakeError('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`);
}

export function usableImage(region: FakeRegion, id: string): FakeImage {
  const image = region.images.get(id);
  if (image === undefined) throw new FakeError('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
  if (image.state !== 'available')
    throw new FakeError('InvalidAMIID.Unavailable', `The AMI ID '${id}' is currently ${image.state}`);
  return image;
}
