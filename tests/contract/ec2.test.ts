import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ec2 } from '../../drivers/ec2/driver.ts';
import { images } from '../../drivers/ec2/images.ts';
import { stripProductCode } from '../../drivers/ec2/strip.ts';
import { countingSignal } from '../../src/testing/counting-signal.ts';
import { atJournalLine, atMoment, CANCELLED, fuzz } from '../../src/testing/outcome.ts';
import { collectAfterKill } from '../support/contract-guest.ts';
import { FakeAws } from '../support/ec2/fake.ts';
import { fakeOptions, launchRequest, subjectOf, useFakeCredentials } from '../support/ec2/rig.ts';
import { heardTools } from '../support/ec2/strip.ts';
import { filesBelow } from '../support/leftovers.ts';
import type { TestContext, TestContextOptions } from '../support/test-context.ts';

useFakeCredentials();

let aws: FakeAws;
let ami: string;
let marketplace: string;
let dir: string;
const { TMPDIR } = process.env;
beforeAll(async () => {
  // A temporary folder of our own shows everything that is left in it, and nothing of others.
  dir = await mkdtemp(join(tmpdir(), 'kib-contract-'));
  process.env['TMPDIR'] = dir;
  // Found only after longer than an answer takes: whoever cleans up at once must know that.
  aws = await FakeAws.start({ settleMs: 4, lagMs: 20 });
  ami = aws.addImage({ name: 'base' });
  marketplace = aws.addImage({ name: 'product', productCodes: ['aw0evgkw8e5c1q413zgy5pjce'] });
});
afterAll(async () => {
  if (TMPDIR === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = TMPDIR;
  await rm(dir, { recursive: true, force: true });
  await aws[Symbol.asyncDispose]();
});
beforeEach(() => {
  aws.onCall = () => {};
});

const remains = () => aws.leftovers();

async function launch(context: TestContext): Promise<void> {
  const machine = await ec2.launch(launchRequest(ami), fakeOptions(aws, { pollSeconds: 0.01 }), context);
  await machine[Symbol.asyncDispose]();
}

async function publish(context: TestContext): Promise<void> {
  const options = fakeOptions(aws, {
    pollSeconds: 0.01,
    spot: true,
    ami: { regions: ['us-east-1'], shareWith: { accounts: ['222233334444'] } },
  });
  const machine = await ec2.launch(launchRequest(ami), options, context);
  context.scope.use('machine', machine);
  await machine.endpoint(context.signal);
  const stopped = await machine.shutdown({ graceMs: 1000, signal: context.signal });
  const published = await images.publish(await stopped.seal(), 'ami', subjectOf(), options, context);
  expect(published.images).toHaveLength(2);
  // Not kept: everything goes, also after success.
  await context.scope[Symbol.asyncDispose]();
  expect(remains()).toEqual([]);
}

async function strip(context: TestContext): Promise<void> {
  const options = fakeOptions(aws, { pollSeconds: 0.01 });
  const made = await stripProductCode({ ami: marketplace, options }, heardTools(), context);
  await context.scope[Symbol.asyncDispose]();
  expect(remains()).toHaveLength(2);
  // What is wanted stays. It goes all the same, for the tests that follow.
  const { signal } = new AbortController();
  for (const image of made) await images.remove(image, options, { ...context, signal });
  expect(remains()).toEqual([]);
}

/** Aborts while the n-th call is being answered. */
function atCall(n: number): TestContextOptions {
  const controller = new AbortController();
  let count = 0;
  aws.onCall = () => {
    if (++count === n) controller.abort(new Error(`at call ${n}`));
  };
  return { signal: controller.signal };
}

// A launch is over when it throws; a whole build when its scope is.
describe('an aborted launch leaves nothing at Amazon', () => {
  it.each([
    ['step', (n: number) => ({ signal: countingSignal(n) })],
    ['journal line', atJournalLine],
    ['call', atCall],
  ])('whichever %s it is aborted at', async (_what, stopAt) => {
    const outcomes = await fuzz(stopAt, launch, remains);
    expect(outcomes.length).toBeGreaterThan(1);
    for (const outcome of outcomes) expect(outcome).toEqual(CANCELLED);
  });
});

describe('an aborted build leaves nothing at Amazon', () => {
  it.each([
    ['journal line', atJournalLine],
    ['call', atCall],
    ['moment', (n: number) => atMoment(n)],
  ])('whichever %s it is aborted at', async (_what, stopAt) => {
    const outcomes = await fuzz(stopAt, publish, remains);
    expect(outcomes.length).toBeGreaterThan(3);
    for (const { code, suppressed, atEnd } of outcomes)
      expect({ code, suppressed, atEnd }).toEqual({ code: 'KIB_CANCELLED', suppressed: [], atEnd: CANCELLED.atEnd });
  });
});

it('leaves after kill -9 what gc finds and removes', async () => {
  const build = `killed-${process.pid}`;
  const options = { region: 'eu-central-1', endpoint: aws.endpoint, allowFrom: ['192.0.2.0/24'], pollSeconds: 0.02 };
  const killed = join(dir, 'killed');
  const said = await collectAfterKill(ec2, { dir: killed, build, options, request: launchRequest(ami) }, () => {
    expect(remains().length).toBeGreaterThan(1);
  });
  expect(said).toEqual([`${build} running`, `${build} collected`, `${build} clean`]);
  expect(remains()).toEqual([]);
  expect(filesBelow(join(killed, 'work'))).toEqual([]);
  await rm(killed, { recursive: true });
});

describe('stripping a product code that is aborted leaves nothing at Amazon', () => {
  it.each([
    ['journal line', atJournalLine],
    ['call', atCall],
    ['moment', (n: number) => atMoment(n)],
  ])('whichever %s it is aborted at', async (_what, stopAt) => {
    const outcomes = await fuzz(stopAt, strip, remains);
    expect(outcomes.length).toBeGreaterThan(3);
    for (const { code, suppressed, atEnd } of outcomes)
      expect({ code, suppressed, atEnd }).toEqual({ code: 'KIB_CANCELLED', suppressed: [], atEnd: CANCELLED.atEnd });
  });
});
