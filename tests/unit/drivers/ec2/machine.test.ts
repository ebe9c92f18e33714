import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ec2 } from '../../../../drivers/ec2/driver.ts';
import { FakeAws } from '../../../support/ec2/fake.ts';
import { fakeOptions, launchRequest, publishFrom, useFakeCredentials } from '../../../support/ec2/rig.ts';
import { testContext } from '../../../support/test-context.ts';

useFakeCredentials();

let aws: FakeAws;
let ami: string;
beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 10, lagMs: 5 });
  ami = aws.addImage({ name: 'base' });
});
afterEach(() => aws[Symbol.asyncDispose]());

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
    const published = await publishFrom(ami, fakeOptions(aws, { spot: { maxPrice: '0.01' } }), context);
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

  it('that was made a moment ago is removed, though EC2 does not find it yet', async () => {
    await using late = await FakeAws.start({ settleMs: 5, lagMs: 300 });
    const base = late.addImage({ name: 'base' });
    await using context = await testContext();
    late.onCall = (action) => {
      if (action === 'RunInstances') context.abort();
    };
    await expect(ec2.launch(launchRequest(base), fakeOptions(late), context)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(late.leftovers()).toEqual([]);
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
