import { describe, expect, it } from 'vitest';
import { ec2 } from '../../drivers/ec2/driver.ts';
import { images } from '../../drivers/ec2/images.ts';
import type { Ec2Options } from '../../drivers/ec2/options.ts';
import { stripProductCode } from '../../drivers/ec2/strip.ts';
import type { RemoteImage } from '../../src/core/index.ts';
import { FakeAws } from '../support/ec2/fake.ts';
import { modelProblems, type ServiceModel } from '../support/ec2/model.ts';
import { pythonAws, serviceModel, startMoto } from '../support/ec2/python.ts';
import { fakeOptions, launchRequest, MACHINE, subjectOf, useFakeCredentials } from '../support/ec2/rig.ts';
import { heardTools } from '../support/ec2/strip.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

useFakeCredentials();

const python = await pythonAws();
const here = typeof python === 'string' ? undefined : python;

describe.skipIf(here === undefined)(`what others say of our EC2${typeof python === 'string' ? `: ${python}` : ''}`, () => {
  it('every call to the fake, and every answer of it, is as botocore describes the service', async () => {
    const model = (await serviceModel(here ?? { bin: '' }, 'ec2')) as ServiceModel;
    await using aws = await FakeAws.start();
    const ami = aws.addImage({ name: 'base' });
    await using context = await testContext();
    const rich = fakeOptions(aws, {
      spot: { maxPrice: '0.05' },
      instanceProfile: 'nodes',
      keyPair: 'mine',
      tags: { team: 'nodes' },
      volume: { iops: 3000, throughput: 125, encrypted: true },
      ami: {
        regions: 'all',
        kmsKeyIds: { 'us-east-1': 'alias/images' },
        shareWith: { accounts: ['222233334444'] },
        shareSnapshots: true,
        deprecateAfterDays: 30,
        deregistrationProtection: 'on',
      },
    });
    const made = await build(ami, rich, context);
    expect(made).toHaveLength(3);
    const plain = fakeOptions(aws, { ami: { bootMode: 'uefi', tpm: true, public: true, name: 'public' } });
    const [published] = await build(ami, plain, context);
    if (published === undefined) throw new Error('there is no image');
    await images.remove(published, plain, context);
    const marketplace = aws.addImage({ name: 'product', productCodes: ['aw0evgkw8e5c1q413zgy5pjce'] });
    const stripped = fakeOptions(aws, { ami: { name: 'stripped' } });
    expect(await stripProductCode({ ami: marketplace, options: stripped }, heardTools(), context)).toHaveLength(1);
    await ec2.doctor(rich, MACHINE, context.signal);
    const source = { kind: 'ami', ami: { owner: '136693071363', name: 'ba*' } } as const;
    expect((await images.findBase(source, MACHINE, rich, context)).id).toBe(ami);
    await context.scope[Symbol.asyncDispose]();
    expect(new Set(aws.calls.map(({ action }) => action)).size).toBeGreaterThan(25);
    expect([...new Set(aws.calls.flatMap((call) => modelProblems(model, call)))]).toEqual([]);
  });

  it('a build goes through on moto', async () => {
    await using moto = await startMoto(here ?? { bin: '' });
    await using context = await testContext();
    const options = ec2.options.parse({
      region: 'us-east-1',
      endpoint: moto.endpoint,
      allowFrom: ['192.0.2.0/24'],
      pollSeconds: 0.1,
      // moto fails at CreateImage with tags for the snapshot, so the AMI is registered.
      ami: { bootMode: 'uefi', regions: ['us-west-2'], shareWith: { accounts: ['222233334444'] } },
    });
    const parameter = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64';
    const machine = { ...MACHINE, diskBytes: 20 * 1024 ** 3 };
    const base = await images.findBase({ kind: 'ami', ami: { ssmParameter: parameter } }, machine, options, context);
    expect(base.facts['name']).toMatch(/^al2023-ami-/);
    const made = await build(base.id, options, context, machine);
    expect(made.map(({ location }) => location)).toEqual(['us-east-1', 'us-west-2']);
    for (const image of made) expect(await images.exists(image, options, context)).toBe(true);
    await context.scope[Symbol.asyncDispose]();
    expect(context.journal.held).toEqual([]);
    for (const image of made) {
      await images.remove(image, options, context);
      expect(await images.exists(image, options, context)).toBe(false);
    }
  });
});

async function build(ami: string, options: Ec2Options, context: TestContext, machine = MACHINE): Promise<readonly RemoteImage[]> {
  const running = await ec2.launch(launchRequest(ami, { machine }), options, context);
  context.scope.use('machine', running);
  await running.endpoint(context.signal);
  const stopped = await running.shutdown({ graceMs: 1000, signal: context.signal });
  const published = await images.publish(await stopped.seal(), 'ami', subjectOf(machine), options, context);
  await published.keep();
  return published.images;
}
