import { afterAll, beforeAll } from 'vitest';
import { ec2 } from '../../../drivers/ec2/driver.ts';
import { images } from '../../../drivers/ec2/images.ts';
import type { Ec2Options } from '../../../drivers/ec2/options.ts';
import { catalog } from '../../../src/catalog/index.ts';
import {
  type ArtifactSubject,
  GiB,
  type LaunchRequest,
  type MachineSpec,
  type PublishedImages,
  sha256,
} from '../../../src/core/index.ts';
import type { TestContext } from '../test-context.ts';
import { ACCESS_KEY, type FakeAws } from './fake.ts';

export const MACHINE: MachineSpec = {
  arch: 'amd64',
  firmware: 'uefi',
  cpus: 2,
  memoryBytes: 2 * GiB,
  diskBytes: 10 * GiB,
  x86Level: 1,
};

/** Options for the fake, which answers at once. */
export function fakeOptions(aws: FakeAws, given: Record<string, unknown> = {}): Ec2Options {
  return ec2.options.parse({
    region: 'eu-central-1',
    endpoint: aws.endpoint,
    allowFrom: ['192.0.2.0/24'],
    pollSeconds: 0.02,
    ...given,
  });
}

export function launchRequest(ami: string, given: Partial<LaunchRequest> = {}): LaunchRequest {
  return {
    name: 'debian13',
    machine: MACHINE,
    base: { kind: 'remote', source: { kind: 'ami', ami: { id: ami } }, id: ami, sha256: sha256(ami), facts: {} },
    seed: { 'user-data': '#cloud-config\nusers: []\n', 'meta-data': 'instance-id: kib-1\n' },
    ...given,
  };
}

export function subjectOf(machine: MachineSpec = MACHINE): ArtifactSubject {
  const os = catalog.find(({ id }) => id === 'debian13');
  if (os === undefined) throw new Error('there is no debian13');
  return { name: 'debian13-kube-v1.36.4', os, machine, properties: { KUBERNETES_SEMVER: 'v1.36.4' } };
}

/** A whole build of a base, up to AMIs that are not kept yet. */
export async function publishFrom(ami: string, options: Ec2Options, context: TestContext): Promise<PublishedImages> {
  const machine = await ec2.launch(launchRequest(ami), options, context);
  context.scope.use('machine', machine);
  const stopped = await machine.shutdown({ graceMs: 1000, signal: context.signal });
  return images.publish(await stopped.seal(), 'ami', subjectOf(), options, context);
}

/** Credentials of the fake where the SDK looks for them, and nothing of the user's, while the tests of a file run. */
export function useFakeCredentials(): void {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE', 'AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE'];
  const before = names.map((name) => [name, process.env[name]] as const);
  beforeAll(() => {
    Object.assign(process.env, fakeCredentials());
    delete process.env['AWS_PROFILE'];
  });
  afterAll(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}

export function fakeCredentials(): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: 'secret-of-the-fake',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}
