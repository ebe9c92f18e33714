import type { FakeAws } from './fake.ts';
import type { FakeImage, FakeInstance, FakeRegion } from './state.ts';

export function begin(aws: FakeAws, region: FakeRegion, instance: FakeInstance, image: FakeImage): void {
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

export function stop(aws: FakeAws, instance: FakeInstance): void {
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

export function terminate(aws: FakeAws, region: FakeRegion, instance: FakeInstance): void {
  if (instance.state === 'terminated' || instance.state === 'shutting-down') return;
  instance.state = 'shutting-down';
  const onSet = () => {
    for (const { id } of [instance.volume, ...instance.moreVolumes]) region.volumes.delete(id);
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
