import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ec2 } from '../../../../drivers/ec2/driver.ts';
import { images } from '../../../../drivers/ec2/images.ts';
import type { Ec2Options } from '../../../../drivers/ec2/options.ts';
import type { AmiSelector, PublishedImages } from '../../../../src/core/index.ts';
import { collectGarbage } from '../../../../src/engine/gc.ts';
import { FakeAws, type Fault } from '../../../support/ec2/fake.ts';
import { fakeCredentials, fakeOptions, launchRequest, MACHINE, subjectOf, useFakeCredentials } from '../../../support/ec2/rig.ts';
import { type TestContext, testContext } from '../../../support/test-context.ts';
import { workspace } from '../../../support/workspace.ts';

useFakeCredentials();

let aws: FakeAws;
let ami: string;
beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 10, lagMs: 5 });
  ami = aws.addImage({ name: 'base' });
});
afterEach(() => aws[Symbol.asyncDispose]());

async function publish(options: Ec2Options, context: TestContext): Promise<PublishedImages> {
  const machine = await ec2.launch(launchRequest(ami), options, context);
  context.scope.use('machine', machine);
  const stopped = await machine.shutdown({ graceMs: 1000, signal: context.signal });
  return images.publish(await stopped.seal(), 'ami', subjectOf(), options, context);
}

const fault = (action: string, code: string, times = 1, more: Partial<Fault> = {}): Fault => ({ action, code, times, ...more });

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

describe('capacity', () => {
  it('is looked for in the next subnet', async () => {
    aws.full.add('subnet-0b');
    await using context = await testContext();
    await using machine = await ec2.launch(launchRequest(ami), fakeOptions(aws), context);
    expect(machine.slowness).toBe(1);
    expect([...aws.region().instances.values()].map(({ subnet }) => subnet)).toEqual(['subnet-0a']);
    expect(context.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_EC2_CAPACITY' }));
  }, 60_000);

  it('on demand takes the place of spot, unless that is forbidden', async () => {
    aws.full.add('spot');
    await using context = await testContext();
    await using machine = await ec2.launch(launchRequest(ami), fakeOptions(aws, { spot: true, subnets: ['subnet-0a'] }), context);
    expect(machine.powerOff).toBeUndefined();
    expect([...aws.region().instances.values()].map(({ spotRequest }) => spotRequest)).toEqual([undefined]);
    const never = fakeOptions(aws, { spot: { fallback: false }, subnets: ['subnet-0a'] });
    await expect(ec2.launch(launchRequest(ami), never, context)).rejects.toMatchObject({ code: 'KIB_EC2_CAPACITY' });
  }, 60_000);

  it('spot instances can be stopped, and do not come back once removed', async () => {
    await using context = await testContext();
    const published = await publish(fakeOptions(aws, { spot: { maxPrice: '0.01' } }), context);
    await published.keep();
    await context.scope[Symbol.asyncDispose]();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(aws.leftovers()).toHaveLength(2);
  });
});

describe('a machine', () => {
  it('tells when it is ended behind its back', async () => {
    await using context = await testContext();
    const machine = await ec2.launch(launchRequest(ami), fakeOptions(aws), context);
    const [instance] = aws.region().instances.values();
    if (instance === undefined) throw new Error('there is no instance');
    instance.state = 'stopped';
    instance.reason = { code: 'Server.SpotInstanceTermination', message: 'Server.SpotInstanceTermination: reclaimed' };
    await expect(machine.exited).rejects.toMatchObject({
      code: 'KIB_EC2_CAPACITY',
      message: expect.stringContaining('reclaimed') as string,
    });
    await machine[Symbol.asyncDispose]();
    expect(aws.leftovers()).toEqual([]);
  });

  it('that does not stop is removed', async () => {
    aws.isDeaf = true;
    await using context = await testContext();
    const machine = await ec2.launch(launchRequest(ami), fakeOptions(aws, { stopMinutes: 0.005 }), context);
    await expect(machine.shutdown({ graceMs: 100, signal: context.signal })).rejects.toMatchObject({ code: 'KIB_SHUTDOWN' });
    expect(aws.leftovers()).toEqual([]);
    expect(context.journal.held).toEqual([]);
  });

  it('that is released stays, and is reaped later', async () => {
    const context = await testContext();
    const machine = await ec2.launch(launchRequest(ami), fakeOptions(aws), context);
    await machine.release();
    await machine[Symbol.asyncDispose]();
    await context.scope[Symbol.asyncDispose]();
    expect(aws.leftovers()).toHaveLength(3);
    for (const resource of [...context.journal.held].reverse())
      expect(await ec2.reap(resource)).toBe('removed from eu-central-1');
    expect(aws.leftovers()).toEqual([]);
    for (const resource of context.journal.held) expect(await ec2.reap(resource)).toBe('was gone from eu-central-1 already');
    await context[Symbol.asyncDispose]();
  });

  it('shows its console', async () => {
    await using context = await testContext();
    await using machine = await ec2.launch(launchRequest(ami), fakeOptions(aws), context);
    const lines: string[] = [];
    for await (const line of machine.console?.lines(AbortSignal.timeout(5000)) ?? []) {
      lines.push(line);
      if (line.includes('login:')) break;
    }
    expect(lines[0]).toBe('Linux version 6.12');
    expect(await machine.console?.tail(1)).toEqual([expect.stringContaining('login:')]);
  });
});

describe('publishing', () => {
  it.each([
    [
      'the AMI fails',
      {},
      (aws: FakeAws) => aws.failingImages.set('eu-central-1', 'disk on fire'),
      'KIB_EC2_IMAGE',
      'disk on fire',
    ],
    ['a copy fails', {}, (aws: FakeAws) => aws.failingImages.set('us-west-2', 'no such key'), 'KIB_EC2_IMAGE', 'no such key'],
    [
      'the name is taken',
      { ami: { name: 'taken', regions: ['us-east-1'] } },
      () => {},
      'KIB_EC2_NAME_TAKEN',
      'us-east-1 has an AMI called taken already',
    ],
    ['a name has unknown words', { ami: { name: '{nmae}' } }, () => {}, 'KIB_DRIVER_CANNOT', '{nmae}, which means nothing'],
    [
      'public AMIs are blocked',
      { ami: { public: true } },
      (aws: FakeAws) => {
        aws.region().publicBlock = 'block-new-sharing';
      },
      'KIB_EC2_PUBLIC',
      'blocks public AMIs in eu-central-1',
    ],
    ['copying is not allowed', {}, (aws: FakeAws) => aws.denied.add('CopyImage'), 'KIB_EC2_UNAUTHORIZED', 'ec2:CopyImage in us-'],
  ] as const)('leaves nothing when %s', async (_what, given, prepare, code, message) => {
    aws.addImage({ name: 'taken', owner: '111122223333', snapshotId: undefined }, 'us-east-1');
    prepare(aws);
    await using context = await testContext();
    const options = fakeOptions(aws, { ami: { regions: ['us-east-1', 'us-west-2'] }, ...given });
    await expect(publish(options, context)).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
    await context.scope[Symbol.asyncDispose]();
    expect(context.journal.held).toEqual([]);
    expect(aws.leftovers()).toEqual([expect.stringContaining('us-east-1 ami-')]);
  });

  it('goes on when calls are throttled', async () => {
    aws.faults.push(
      fault('CreateImage', 'RequestLimitExceeded', 2, { status: 503 }),
      fault('DescribeImages', 'RequestLimitExceeded', 1, { status: 503 }),
    );
    await using context = await testContext();
    expect((await publish(fakeOptions(aws), context)).images).toHaveLength(1);
  }, 60_000);

  it('leaves after kill -9 what gc finds and removes', async () => {
    const dir = await workspace();
    const script = fileURLToPath(new URL('../../../support/ec2/machine-process.ts', import.meta.url));
    const options = {
      region: 'eu-central-1',
      endpoint: aws.endpoint,
      allowFrom: ['192.0.2.0/24'],
      pollSeconds: 0.02,
      spot: true,
      ami: { regions: ['us-east-1'] },
    };
    const build = `killed-${process.pid}`;
    const child = spawn(process.execPath, ['--import', 'tsx', script, dir, build, ami, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...fakeCredentials() },
    });
    const closed = once(child, 'close');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('made');
    child.kill('SIGKILL');
    await closed;
    // Instance, volume, group and spot request; two AMIs with their snapshots.
    expect(aws.leftovers()).toHaveLength(8);
    const gc = async () =>
      collectGarbage({ stateHome: dir, drivers: [ec2], dryRun: false, signal: new AbortController().signal });
    expect((await gc()).builds).toMatchObject([{ id: build, status: 'collected' }]);
    expect(aws.leftovers()).toEqual([]);
    expect((await gc()).builds).toMatchObject([{ id: build, status: 'clean' }]);
  }, 60_000);
});

describe('doctor', () => {
  it('tries every permission without doing anything', async () => {
    const findings = await ec2.doctor(fakeOptions(aws, { ami: { regions: 'all' } }), MACHINE, new AbortController().signal);
    expect(findings).toEqual([
      { name: 'EC2 in eu-central-1', status: 'ok', detail: 'access key …FAKE' },
      { name: 'EC2 permissions', status: 'ok', detail: expect.stringMatching(/^\d\d dry runs were allowed$/) as string },
    ]);
    expect(aws.leftovers()).toEqual([]);
  });

  it('names those that are missing', async () => {
    aws.denied.add('CreateImage').add('CopyImage').add('DescribeSubnets');
    const findings = await ec2.doctor(
      fakeOptions(aws, { ami: { regions: ['us-east-1'] } }),
      MACHINE,
      new AbortController().signal,
    );
    expect(findings[1]).toMatchObject({
      status: 'missing',
      detail: 'not allowed: ec2:DescribeSubnets, ec2:CreateImage, ec2:CopyImage',
    });
  });

  it('says when the API cannot be reached', async () => {
    const findings = await ec2.doctor(
      fakeOptions(aws, { endpoint: 'http://127.0.0.1:1' }),
      MACHINE,
      new AbortController().signal,
    );
    expect(findings).toMatchObject([{ status: 'missing', detail: expect.stringContaining('ECONNREFUSED') as string }]);
  }, 60_000);
});

describe('bases', () => {
  const find = async (ami: AmiSelector, context: TestContext, given = {}) =>
    images.findBase({ kind: 'ami', ami }, MACHINE, fakeOptions(aws, given), context);

  it('are found by id, as the newest of a name, and by SSM parameter', async () => {
    await using context = await testContext();
    const older = aws.addImage({ name: 'debian-13-amd64-20260101', created: '2026-01-01T00:00:00.000Z' });
    const newer = aws.addImage({ name: 'debian-13-amd64-20260201', created: '2026-02-01T00:00:00.000Z' });
    aws.addImage({ name: 'debian-13-amd64-20260301', created: '2026-03-01T00:00:00.000Z', architecture: 'arm64' });
    expect((await find({ id: older }, context)).id).toBe(older);
    expect(await find({ owner: '136693071363', name: 'debian-13-amd64-*' }, context)).toMatchObject({
      id: newer,
      facts: { name: 'debian-13-amd64-20260201', owner: '136693071363', rootDevice: '/dev/xvda' },
    });
    aws
      .region()
      .parameters.set('/plain', older)
      .set('/eks', JSON.stringify({ image_id: newer }))
      .set('/odd', 'nothing');
    expect((await find({ ssmParameter: '/plain' }, context)).id).toBe(older);
    expect((await find({ ssmParameter: '/eks' }, context)).id).toBe(newer);
    await expect(find({ ssmParameter: '/odd' }, context)).rejects.toMatchObject({
      code: 'KIB_BASE_MISSING',
      message: expect.stringContaining('names no AMI') as string,
    });
    await expect(find({ ssmParameter: '/none' }, context)).rejects.toMatchObject({ code: 'KIB_BASE_MISSING' });
    await expect(find({ id: 'ami-0000000000dead' }, context)).rejects.toMatchObject({ code: 'KIB_BASE_MISSING' });
    await expect(find({ owner: '136693071363', name: 'gentoo-*' }, context)).rejects.toMatchObject({ code: 'KIB_BASE_MISSING' });
  });

  it('must fit the machine', async () => {
    await using context = await testContext();
    const refused = [
      [{ architecture: 'arm64' }, 'is for arm64, the image for x86_64'],
      [{ gib: 30 }, 'larger than the disk of 10.0 GiB'],
    ] as const;
    for (const [given, message] of refused) {
      const id = aws.addImage({ name: 'odd', ...given });
      await expect(find({ id }, context)).rejects.toMatchObject({
        code: 'KIB_DRIVER_CANNOT',
        message: expect.stringContaining(message) as string,
      });
    }
  });

  it('of the Marketplace are warned of, and no way to a public AMI', async () => {
    await using context = await testContext();
    const id = aws.addImage({ name: 'marketplace', productCodes: ['aw0evgkw8e5c1q413zgy5pjce'] });
    expect((await find({ id }, context)).id).toBe(id);
    expect(context.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_EC2_PRODUCT_CODE' }));
    await expect(find({ id }, context, { ami: { public: true } })).rejects.toMatchObject({ code: 'KIB_DRIVER_CANNOT' });
  });
});
