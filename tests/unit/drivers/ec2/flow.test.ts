import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ec2 } from '../../../../drivers/ec2/driver.ts';
import { images } from '../../../../drivers/ec2/images.ts';
import type { Ec2Options } from '../../../../drivers/ec2/options.ts';
import type { PublishedImages } from '../../../../src/core/index.ts';
import { ACCOUNT, FakeAws } from '../../../support/ec2/fake.ts';
import { fakeOptions, launchRequest, MACHINE, subjectOf, useFakeCredentials } from '../../../support/ec2/rig.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';

useFakeCredentials();

let aws: FakeAws;
beforeEach(async () => {
  aws = await FakeAws.start();
});
afterEach(() => aws[Symbol.asyncDispose]());

async function build(
  options: Ec2Options,
  context: TestContext,
  ami = aws.addImage({ name: 'debian-13-amd64-1' }),
): Promise<PublishedImages> {
  const machine = await ec2.launch(launchRequest(ami), options, context);
  context.scope.use('machine', machine);
  const stopped = await machine.shutdown({ graceMs: 1000, signal: context.signal });
  return images.publish(await stopped.seal(), 'ami', subjectOf(), options, context);
}

describe('a build on EC2', () => {
  it('starts, stops and makes an AMI with copies, then removes all but them', async () => {
    await using context = await testContext();
    const options = fakeOptions(aws, {
      tags: { team: 'nodes' },
      ami: {
        regions: ['us-east-1', 'us-west-2'],
        kmsKeyIds: { 'us-west-2': 'alias/images' },
        shareWith: {
          accounts: ['222233334444'],
          organizations: ['arn:aws:organizations::111122223333:organization/o-123example'],
        },
        shareSnapshots: true,
        tags: { kind: 'node' },
        snapshotTags: { kind: 'node disk' },
        deprecateAfterDays: 90,
        deregistrationProtection: 'with-cooldown',
      },
    });
    const published = await build(options, context);
    expect(published.images).toMatchObject([
      { format: 'ami', location: 'eu-central-1', facts: { bootMode: 'uefi-preferred', rootDevice: '/dev/xvda' } },
      { format: 'ami', location: 'us-east-1' },
      { format: 'ami', location: 'us-west-2', facts: { kmsKey: 'alias/images' } },
    ]);
    expect(published.images[0]?.facts['name']).toMatch(/^debian13-kube-v1\.36\.4-\d{8}T\d{6}Z$/);
    // Nobody may use them before they are kept.
    expect(aws.calls.map(({ action }) => action)).not.toContain('ModifySnapshotAttribute');
    await published.keep();
    await context.scope[Symbol.asyncDispose]();
    expect(context.journal.held).toEqual([]);
    expect(aws.leftovers()).toHaveLength(6);
    for (const region of aws.regions.values()) {
      const [image] = [...region.images.values()].filter(({ owner }) => owner === ACCOUNT);
      const [snapshot] = [...region.snapshots.values()];
      expect(image).toMatchObject({
        description: 'debian13-kube-v1.36.4, Kubernetes v1.36.4',
        imds: 'v2.0',
        protection: 'enabled-with-cooldown',
        tags: { team: 'nodes', kind: 'node', 'kib-native:build': context.buildId },
      });
      expect(Object.keys(image?.tags ?? {})).not.toContain('kib-native:expires');
      expect(Date.parse(image?.deprecateAt ?? '') - Date.now()).toBeGreaterThan(89 * 24 * 3600 * 1000);
      expect(snapshot?.tags).toMatchObject({ team: 'nodes', kind: 'node disk' });
      expect(snapshot?.sharedWith).toEqual(['222233334444']);
      expect(image?.permissions).toEqual([
        { UserId: '222233334444' },
        { OrganizationArn: 'arn:aws:organizations::111122223333:organization/o-123example' },
      ]);
    }
    expect([...aws.region('us-west-2').snapshots.values()][0]).toMatchObject({ encrypted: true, kmsKeyId: 'alias/images' });
    expect([...aws.region('us-east-1').snapshots.values()][0]).toMatchObject({ encrypted: false });
  });

  it('asks for what the options say', async () => {
    await using context = await testContext();
    const options = fakeOptions(aws, {
      instanceType: 'm7i.large',
      subnets: ['subnet-0b'],
      volume: { iops: 4000, throughput: 250, kmsKeyId: 'alias/build' },
      instanceProfile: 'arn:aws:iam::111122223333:instance-profile/nodes',
      keyPair: 'mine',
      allowFrom: ['198.51.100.7/32', '2001:db8::/64'],
    });
    const machine = await ec2.launch(launchRequest(aws.addImage({ name: 'base' })), options, context);
    expect(await machine.endpoint(context.signal)).toEqual({ host: '127.0.0.1', port: 22 });
    const { params } = aws.calls.find(({ action }) => action === 'RunInstances') ?? {};
    expect(params).toMatchObject({
      InstanceType: 'm7i.large',
      KeyName: 'mine',
      IamInstanceProfile: { Arn: 'arn:aws:iam::111122223333:instance-profile/nodes' },
      MetadataOptions: { HttpTokens: 'required', HttpEndpoint: 'enabled' },
      NetworkInterface: [{ SubnetId: 'subnet-0b', AssociatePublicIpAddress: 'true', DeleteOnTermination: 'true' }],
      BlockDeviceMapping: [
        {
          DeviceName: '/dev/xvda',
          Ebs: {
            VolumeSize: '10',
            VolumeType: 'gp3',
            Iops: '4000',
            Throughput: '250',
            Encrypted: 'true',
            KmsKeyId: 'alias/build',
          },
        },
      ],
    });
    const [group] = aws.region().groups.values();
    expect(group?.ingress).toMatchObject([{ fromPort: '22', cidrIpv4: '198.51.100.7/32' }, { cidrIpv6: '2001:db8::/64' }]);
    await machine[Symbol.asyncDispose]();
    await machine[Symbol.asyncDispose]();
    expect(aws.leftovers()).toEqual([]);
    expect(context.journal.held).toEqual([]);
  });

  it('registers the snapshot anew where boot mode or TPM are asked for', async () => {
    await using context = await testContext();
    const published = await build(fakeOptions(aws, { ami: { bootMode: 'uefi', tpm: true } }), context);
    const [image] = [...aws.region().images.values()].filter(({ owner }) => owner === ACCOUNT);
    expect(image).toMatchObject({ bootMode: 'uefi', tpm: 'v2.0', imds: 'v2.0', architecture: 'x86_64' });
    expect(published.images[0]?.id).toBe(image?.id);
    expect(aws.calls.map(({ action }) => action)).not.toContain('CreateImage');
    await context.scope[Symbol.asyncDispose]();
    expect(aws.leftovers()).toEqual([]);
  });

  it('boots the AMI it made for the verdict, with a larger disk', async () => {
    await using context = await testContext();
    const options = fakeOptions(aws);
    const published = await build(options, context);
    const [image] = published.images;
    if (image === undefined) throw new Error('there is no image');
    const base = images.baseOf(image, options);
    const machine = await ec2.launch(
      { ...launchRequest(''), base, machine: { ...MACHINE, diskBytes: 14 * 1024 ** 3 } },
      options,
      context,
    );
    await machine[Symbol.asyncDispose]();
    expect(await images.exists(image, options, context)).toBe(true);
    await published.keep();
    await images.remove(image, options, context);
    await images.remove(image, options, context);
    expect(await images.exists(image, options, context)).toBe(false);
    await context.scope[Symbol.asyncDispose]();
    expect(aws.leftovers()).toEqual([]);
  });
});
