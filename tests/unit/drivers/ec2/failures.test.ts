import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ec2 } from '../../../../drivers/ec2/driver.ts';
import { FakeAws, fault } from '../../../support/ec2/fake.ts';
import { fakeOptions, launchRequest, useFakeCredentials } from '../../../support/ec2/rig.ts';
import { testContext } from '../../../support/test-context.ts';

useFakeCredentials();

let aws: FakeAws;
let ami: string;
beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 10, lagMs: 5 });
  ami = aws.addImage({ name: 'base' });
});
afterEach(() => aws[Symbol.asyncDispose]());

describe('a launch that fails', () => {
  const failures: readonly (readonly [string, Record<string, unknown>, (aws: FakeAws) => unknown, string, string])[] = [
    [
      'expired credentials',
      {},
      (aws) => aws.faults.push(fault('DescribeImages', 'RequestExpired')),
      'KIB_EC2_CREDENTIALS',
      'ec2:DescribeImages failed',
    ],
    [
      'a missing permission',
      {},
      (aws) => aws.denied.add('RunInstances'),
      'KIB_EC2_UNAUTHORIZED',
      'not allowed to call ec2:RunInstances',
    ],
    ['a region that is not enabled', { region: 'ap-south-1' }, () => {}, 'KIB_EC2_CREDENTIALS', 'ap-south-1'],
    [
      'a used-up quota',
      {},
      (aws) => aws.faults.push(fault('RunInstances', 'VcpuLimitExceeded')),
      'KIB_EC2_QUOTA',
      'VcpuLimitExceeded',
    ],
    [
      'no capacity anywhere',
      {},
      (aws) => ['subnet-0a', 'subnet-0b'].map((id) => aws.full.add(id)),
      'KIB_EC2_CAPACITY',
      'sufficient t3.small capacity',
    ],
    ['an unknown subnet', { subnets: ['subnet-0dead'] }, () => {}, 'KIB_EC2_NETWORK', 'subnet-0dead'],
    [
      'a filter without hits',
      { subnetFilter: { 'tag:Name': 'none' } },
      () => {},
      'KIB_EC2_NETWORK',
      'no subnet in eu-central-1 fits tag:Name=none',
    ],
    [
      'a subnet of another VPC',
      { subnets: ['subnet-0a'], vpc: 'vpc-0dead' },
      () => {},
      'KIB_EC2_NETWORK',
      'subnet-0a is of vpc-0a, not of vpc-0dead',
    ],
    ['an unknown group', { securityGroups: ['sg-0dead'] }, () => {}, 'KIB_EC2_NETWORK', 'sg-0dead'],
    ['a deregistered base', {}, (aws) => aws.region().goneImages.add(ami), 'KIB_BASE_MISSING', 'no longer available'],
    [
      'an address service that is down',
      { allowFrom: ['own'], ownAddressUrl: 'http://127.0.0.1:1/' },
      () => {},
      'KIB_EC2_NETWORK',
      'the address this host is seen with',
    ],
    ['nobody at the endpoint', { endpoint: 'http://127.0.0.1:1' }, () => {}, 'KIB_EC2_UNREACHABLE', 'ECONNREFUSED'],
    [
      'a bastion without key',
      { bastion: { host: 'b', user: 'u', keyFile: '/no/such/key' } },
      () => {},
      'KIB_HOST_AUTH',
      '/no/such/key',
    ],
  ];

  it.each(failures)(
    'for %s says so and leaves nothing',
    async (_what, given, prepare, code, message) => {
      prepare(aws);
      await using context = await testContext();
      await expect(ec2.launch(launchRequest(ami), fakeOptions(aws, given), context)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message) as string,
      });
      expect(context.journal.held).toEqual([]);
      expect(aws.leftovers()).toEqual([]);
      expect(JSON.stringify(context.events)).not.toContain('Encoded authorization');
    },
    60_000,
  );

  it('without credentials says what to give', async () => {
    await using context = await testContext();
    const { AWS_ACCESS_KEY_ID: key } = process.env;
    delete process.env['AWS_ACCESS_KEY_ID'];
    try {
      await expect(ec2.launch(launchRequest(ami), fakeOptions(aws), context)).rejects.toMatchObject({
        code: 'KIB_EC2_CREDENTIALS',
        hint: expect.stringContaining('AWS_PROFILE') as string,
      });
    } finally {
      process.env['AWS_ACCESS_KEY_ID'] = key;
    }
  });

  it('takes no disk of this host', async () => {
    await using context = await testContext();
    const request = { ...launchRequest(ami), base: { path: '/disk.qcow2', format: 'qcow2' as const } };
    await expect(ec2.launch(request, fakeOptions(aws), context)).rejects.toMatchObject({ code: 'KIB_DRIVER_CANNOT' });
  });

  it('compresses a seed that is too large, and refuses one that stays so', async () => {
    await using context = await testContext();
    const seed = { 'user-data': `#cloud-config\n# ${'x'.repeat(20_000)}\n`, 'meta-data': '' };
    const machine = await ec2.launch({ ...launchRequest(ami), seed }, fakeOptions(aws), context);
    const [instance] = aws.region().instances.values();
    expect(
      Buffer.from(instance?.userData ?? '', 'base64')
        .subarray(0, 2)
        .toString('hex'),
    ).toBe('1f8b');
    await machine[Symbol.asyncDispose]();
    const tooLarge = { 'user-data': randomBytes(20_000).toString('base64'), 'meta-data': '' };
    await expect(ec2.launch({ ...launchRequest(ami), seed: tooLarge }, fakeOptions(aws), context)).rejects.toMatchObject({
      code: 'KIB_DRIVER_CANNOT',
      message: expect.stringContaining('16384 bytes of user data') as string,
    });
  });
});
