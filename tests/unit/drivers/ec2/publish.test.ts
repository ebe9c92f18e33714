import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ec2 } from '../../../../drivers/ec2/driver.ts';
import { collectGarbage } from '../../../../src/engine/gc.ts';
import { FakeAws, fault } from '../../../support/ec2/fake.ts';
import { fakeCredentials, fakeOptions, publishFrom, useFakeCredentials } from '../../../support/ec2/rig.ts';
import { testContext } from '../../../support/test-context.ts';
import { workspace } from '../../../support/workspace.ts';

useFakeCredentials();

let aws: FakeAws;
let ami: string;
beforeEach(async () => {
  aws = await FakeAws.start({ settleMs: 10, lagMs: 5 });
  ami = aws.addImage({ name: 'base' });
});
afterEach(() => aws[Symbol.asyncDispose]());

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
    await expect(publishFrom(ami, options, context)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
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
    expect((await publishFrom(ami, fakeOptions(aws), context)).images).toHaveLength(1);
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
