import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ec2 } from '../../drivers/ec2/driver.ts';
import { vsphere } from '../../drivers/vsphere/driver.ts';
import { type Driver, type ImageFormat, type LaunchRequest, MiB, Secret } from '../../src/core/index.ts';
import { noteCommandLines, placesOf } from '../../src/testing/exposure.ts';
import { FakeAws } from '../support/ec2/fake.ts';
import { fakeCredentials, fakeOptions, launchRequest, subjectOf, useFakeCredentials } from '../support/ec2/rig.ts';
import { testContext } from '../support/test-context.ts';
import { FakeVcenter, LOGIN } from '../support/vsphere/fake.ts';
import { memoryRunner } from '../support/vsphere/runner.ts';

useFakeCredentials();

const PASSWORDS = [LOGIN.password, Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64')];

interface Build<O> {
  readonly driver: Driver<O>;
  readonly options: O;
  readonly request: LaunchRequest;
  readonly format: ImageFormat;
}

/** Builds an image that stays with the hypervisor, and tells where one of the secrets was seen. */
async function placesIn<O>({ driver, options, request, format }: Build<O>, secrets: readonly string[]) {
  using programs = noteCommandLines();
  await using context = await testContext();
  const findings = await driver.doctor(options, request.machine, context.signal);
  const machine = await driver.launch(request, options, context);
  const stopped = await machine.shutdown({ graceMs: 10_000, signal: context.signal });
  const subject = { ...subjectOf(), machine: request.machine };
  const made = await driver.images?.publish(await stopped.seal(), format, subject, options, context);
  expect(made?.images).not.toEqual([]);
  const preview = driver.preview(request.machine, options);
  return await placesOf(secrets, programs, context, { id: machine.id, findings, preview, options, images: made?.images });
}

describe('a build on vSphere shows its password to nobody', () => {
  let dir: string;
  let fake: FakeVcenter;
  let request: LaunchRequest;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-secrets-'));
    fake = await FakeVcenter.start({ dir, runner: memoryRunner(), openApi: undefined });
    const path = join(dir, 'base.raw');
    await writeFile(path, Buffer.alloc(4 * MiB, 'base of the test '));
    await writeFile(join(dir, 'password'), `${LOGIN.password}\n`);
    request = {
      name: 'test',
      machine: { arch: 'amd64', firmware: 'bios', cpus: 1, memoryBytes: 512 * MiB, diskBytes: 16 * MiB, x86Level: 1 },
      base: { path, format: 'raw' },
      seed: { 'user-data': '#cloud-config\n{}\n', 'meta-data': 'instance-id: i-1\n' },
    };
    process.env['KIB_TEST_PASSWORD'] = LOGIN.password;
  });
  afterEach(async () => {
    delete process.env['KIB_TEST_PASSWORD'];
    await fake[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  it.each([
    ['a variable', () => ({ env: 'KIB_TEST_PASSWORD' })],
    ['a file', () => ({ file: join(dir, 'password') })],
    ['a command', () => ({ command: ['cat', join(dir, 'password')] })],
    ['vsphere.json', () => LOGIN.password],
  ])('that is in %s', async (_where, password) => {
    const options = vsphere.options.parse({ ...fake.options, password: password() });
    const places = await placesIn({ driver: vsphere, options, request, format: 'template' }, PASSWORDS);
    expect(places).toEqual([]);
  });

  it('nor when it is wrong', async () => {
    await using context = await testContext();
    const options = vsphere.options.parse({ ...fake.options, password: 'wrong-horse' });
    expect(options.password).toBeInstanceOf(Secret);
    const error: unknown = await vsphere.launch(request, options, context).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'KIB_VSPHERE_LOGIN' });
    expect(everythingOf(error)).not.toContain('wrong-horse');
  });
});

describe('a build on EC2', () => {
  it('shows the secret access key to nobody', async () => {
    await using aws = await FakeAws.start();
    const options = fakeOptions(aws, { ami: { regions: ['us-east-1'] } });
    const request = launchRequest(aws.addImage({ name: 'base' }));
    const secret = fakeCredentials()['AWS_SECRET_ACCESS_KEY'] ?? '';
    expect(secret).not.toBe('');
    expect(await placesIn({ driver: ec2, options, request, format: 'ami' }, [secret])).toEqual([]);
    expect(JSON.stringify(aws.calls)).not.toContain(secret);
  });
});

/** Message, hint, stack and fields of an error and its causes. */
function everythingOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack} ${JSON.stringify(error, Object.getOwnPropertyNames(error))} ${everythingOf(error.cause)}`;
}
