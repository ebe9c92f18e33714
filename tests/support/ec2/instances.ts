import { CODES, instanceOf, notFound, reservation } from './describe-instance.ts';
import { FakeError } from './fake-error.ts';
import { type Handler, passes, tagSet } from './handlers.ts';
import { stop, terminate } from './lifecycle.ts';
import { runInstances } from './run-instances.ts';
import type { FakeInstance } from './state.ts';
import { type Answer, text, texts } from './wire.ts';

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
      if (!aws.isVisible(instance)) throw notFound(id);
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

function change(instance: FakeInstance, work: () => void): Answer {
  const previous = instance.state;
  work();
  return {
    instanceId: instance.id,
    previousState: { code: CODES[previous], name: previous },
    currentState: { code: CODES[instance.state], name: instance.state },
  };
}
