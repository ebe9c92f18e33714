import type { Instance } from '@aws-sdk/client-ec2';
import type { Ec2 } from '../../src/aws/api.ts';
import { KibError } from '../../src/core/index.ts';

/** An instance as EC2 describes it; undefined when it does not know it (yet). */
export async function describeInstance(ec2: Ec2, id: string, signal: AbortSignal): Promise<Instance | undefined> {
  const { Reservations: [reservation] = [] } = await ec2.call('DescribeInstances', { InstanceIds: [id] }, signal);
  return reservation?.Instances?.[0];
}

/** Id of the volume that an instance has as `device`. */
export function volumeOf(instance: Instance | undefined, device: string | undefined): string | undefined {
  return instance?.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === device)?.Ebs?.VolumeId;
}

/** Why an instance no longer runs, in EC2's words. */
export function ended({ InstanceId: id, State, StateReason, StateTransitionReason }: Instance): KibError {
  const reason = StateReason?.Message ?? StateTransitionReason ?? 'no reason was given';
  const isCapacity = /InsufficientInstanceCapacity|SpotInstanceTermination/.test(StateReason?.Code ?? '');
  return new KibError(isCapacity ? 'KIB_EC2_CAPACITY' : 'KIB_EC2_EXITED', `instance ${id} is ${State?.Name}: ${reason}`, {
    hint: /KMS|VolumeLimit|Snapshot/i.test(reason)
      ? 'may this account use the KMS key and the snapshots of the base, and make more volumes?'
      : undefined,
    retryable: isCapacity,
    details: { state: State?.Name, code: StateReason?.Code },
  });
}
