import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GiB, type MachineSpec } from '../../../src/core/index.ts';
import { makeLogin } from '../../../src/engine/login.ts';
import { connectSsh } from '../../../src/transport/ssh.ts';
import { type FakeDisk, type FakeDriver, fakeDriver } from '../../support/fake-driver.ts';
import { type TestContext, testContext } from '../../support/test-context.ts';

const machine: MachineSpec = { arch: 'amd64', firmware: 'bios', cpus: 1, memoryBytes: GiB, diskBytes: GiB, x86Level: 1 };

describe('the fake driver’s layers', () => {
  let context: TestContext;
  let fake: FakeDriver;
  let fingerprint: string | undefined;
  const login = makeLogin({ instanceId: 'kib-1', hostname: 'kib', minimal: true });
  beforeEach(async () => {
    context = await testContext();
    fingerprint = 'fake 1';
    fake = fakeDriver(() => {}, { fingerprint: () => fingerprint });
    for (const folder of ['a', 'b', 'c']) mkdirSync(join(context.root, folder));
  });
  afterEach(async () => {
    await context[Symbol.asyncDispose]();
    await fake[Symbol.asyncDispose]();
  });

  const place = (name: string, backing: string) => ({ folder: join(context.root, name), backing });
  const disk = (name: string) => JSON.parse(readFileSync(join(context.root, name, 'disk.qcow2'), 'utf8')) as FakeDisk;
  const launch = () =>
    fake.driver.launch(
      { name: 'a', machine, base: { path: '/base', format: 'raw' }, seed: login.seed, disk: place('a', '/base') },
      {},
      context,
    );
  const resume = () =>
    fake.driver.layers?.memory?.resume(
      { name: 'c', machine, frozen: join(context.root, 'a'), disk: place('c', '../a/disk.qcow2') },
      {},
      context,
    );

  it('let in who was let in before the freeze', async () => {
    const original = await launch();
    const frozen = await original.freezer?.freeze({ next: place('b', '../a/disk.qcow2'), memory: true, signal: context.signal });
    expect(frozen).toMatchObject({ files: ['disk.qcow2', 'memory', 'seed.json'], fingerprint: 'fake 1' });
    const resumed = await resume();
    const endpoint = await resumed?.endpoint(context.signal);
    if (endpoint === undefined) throw new Error('it has no endpoint');
    expect(endpoint).not.toEqual(await original.endpoint(context.signal));
    await using ssh = await connectSsh(endpoint, login.credentials, {
      signal: context.signal,
      clock: context.clock,
      readyTimeoutMs: 5000,
      greetingTimeoutMs: 5000,
    });
    expect(await ssh.exec('exit 3', { signal: context.signal })).toEqual({ exitCode: 3, signal: undefined });
    const next = { folder: join(context.root, 'b'), backing: 'x' };
    await resumed?.freezer?.freeze({ next, memory: false, signal: context.signal });
    expect(disk('a')).toEqual({ backing: '/base', commands: [] });
    expect(disk('c')).toEqual({ backing: '../a/disk.qcow2', commands: ['exit 3'] });
  });

  it('cannot load the memory of another version, nor what is not there', async () => {
    const original = await launch();
    await original.freezer?.freeze({ next: place('b', '../a/disk.qcow2'), memory: true, signal: context.signal });
    fingerprint = 'fake 2';
    await expect(resume()).rejects.toMatchObject({ code: 'KIB_RESUME' });
    fingerprint = 'fake 1';
    rmSync(join(context.root, 'a', 'memory'));
    await expect(resume()).rejects.toMatchObject({ code: 'KIB_RESUME' });
  });

  it('keep no memory where there is no fingerprint', async () => {
    fingerprint = undefined;
    const original = await launch();
    const frozen = await original.freezer?.freeze({ next: place('b', '../a/disk.qcow2'), memory: true, signal: context.signal });
    expect(frozen).toMatchObject({ files: ['disk.qcow2'], fingerprint: undefined });
  });
});
