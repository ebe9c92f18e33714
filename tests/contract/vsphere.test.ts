import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attachCloudInit } from '../../drivers/vsphere/cloudinit.ts';
import { vsphere } from '../../drivers/vsphere/driver.ts';
import { MiB, type RemoteDisk } from '../../src/core/index.ts';
import { convert } from '../../src/io/qemu-img.ts';
import { countingSignal } from '../../src/testing/counting-signal.ts';
import { CANCELLED, fuzz, leftovers, NOTHING } from '../../src/testing/outcome.ts';
import { collectAfterKill } from '../support/contract-guest.ts';
import { filesBelow } from '../support/leftovers.ts';
import { testContext } from '../support/test-context.ts';
import { MACHINE, SEED, vsphereContract } from '../support/vsphere/contract.ts';
import { LOGIN } from '../support/vsphere/fake.ts';
import { memoryRunner } from '../support/vsphere/runner.ts';

const PASSWORD = 'KIB_TEST_VSPHERE_PASSWORD';

describe('driver vsphere on the fake vCenter', () => {
  const rig = vsphereContract();

  it('uploads a base, runs a machine of it, and brings its disk back', async () => {
    await using context = await testContext();
    const machine = await rig.launch(context);
    expect(await machine.endpoint(context.signal)).toEqual({ host: '192.0.2.77', port: 22 });
    const [vm] = [...rig.fake.world.machines.all.values()];
    expect(vm).toMatchObject({ firmware: 'BIOS', cpus: 3, memoryMiB: 516, capacity: 16 * MiB, network: 'network-1' });
    expect([...(vm?.cdroms.values() ?? [])]).toEqual([{ item: expect.any(String) as string, connected: true }]);
    const stopped = await machine.shutdown({ graceMs: 10_000, signal: context.signal });
    const disk = (await stopped.seal()) as RemoteDisk;
    expect(vm?.cdroms.size).toBe(0);
    const file = await disk.download?.(context);
    if (file === undefined) throw new Error('there is no disk');
    expect(file.virtualBytes).toBe(16 * MiB);
    const raw = join(context.root, 'disk.raw');
    await convert({ source: file, target: raw, targetFormat: 'raw', signal: context.signal });
    const got = await readFile(raw);
    expect(got.length).toBe(16 * MiB);
    expect(got.subarray(0, 8 * MiB).equals(Buffer.alloc(8 * MiB, 'base of the test '))).toBe(true);
    await stopped[Symbol.asyncDispose]();
    expect(await leftovers(context, rig.remains)).toEqual(NOTHING);
    expect(context.scope.held).toEqual([]);
    expect(rig.fake.tokens.size).toBe(0);
  });

  it('keeps the base in the library for the next machine, but not a throw-away one', async () => {
    await using context = await testContext();
    for (const _ of [1, 2]) await (await rig.launch(context))[Symbol.asyncDispose]();
    expect(rig.fake.calls.filter((call) => call.startsWith('PUT ') && call.includes('.vmdk'))).toHaveLength(1);
    expect([...rig.fake.world.library.items.values()].map(({ name }) => name)).toEqual([
      expect.stringMatching(/^kib-base-[0-9a-f]{64}$/),
    ]);
    const base = { ...(rig.request.base as { path: string; format: 'raw' }), isThrowaway: true };
    await (await rig.launch(context, { ...rig.request, base }))[Symbol.asyncDispose]();
    expect(rig.fake.world.library.items.size).toBe(1);
  });

  it('gives the guest a fixed address, and needs no VMware Tools then', async () => {
    await rig.restart({ runner: memoryRunner({ mute: true }) }, { address: { cidr: '192.0.2.10/24', gateway: '192.0.2.1' } });
    await using context = await testContext();
    const machine = await rig.launch(context);
    expect(await machine.endpoint(context.signal)).toEqual({ host: '192.0.2.10', port: 22 });
  });

  it('logs in again when the session is gone', async () => {
    await using context = await testContext();
    const machine = await rig.launch(context);
    rig.fake.tokens.clear();
    expect((await machine.endpoint(context.signal)).host).toBe('192.0.2.77');
    await machine[Symbol.asyncDispose]();
    expect(rig.fake.tokens.size).toBe(0);
  });

  it('releases a machine to the user', async () => {
    await using context = await testContext();
    const machine = await rig.launch(context);
    await machine.release();
    await machine[Symbol.asyncDispose]();
    const [vm] = [...rig.fake.world.machines.all.keys()];
    expect(await rig.fake.world.machines.isOn(vm ?? '')).toBe(true);
    expect(context.journal.held.map(({ kind }) => kind).sort()).toEqual(['path', 'vsphere:item', 'vsphere:vm']);
  });

  it('removes what a killed build left', async () => {
    const context = await testContext();
    rig.use({ password: { env: PASSWORD } });
    process.env[PASSWORD] = LOGIN.password;
    try {
      await rig.launch(context);
      expect(rig.fake.leftovers()).toHaveLength(2);
      const held = [...context.journal.held].reverse().filter(({ kind }) => kind !== 'path');
      expect(JSON.stringify(held)).not.toContain(LOGIN.password);
      expect(await Promise.all(held.map(async (resource) => vsphere.reap(resource)))).toEqual([
        `removed from ${rig.fake.server}`,
        `removed from ${rig.fake.server}`,
      ]);
      expect(rig.fake.leftovers()).toEqual([]);
      for (const resource of held) expect(await vsphere.reap(resource)).toBe(`was gone from ${rig.fake.server} already`);
      await context[Symbol.asyncDispose]();
    } finally {
      delete process.env[PASSWORD];
    }
  });

  it('leaves after kill -9 what gc finds and removes', async () => {
    const build = `killed-${process.pid}`;
    const dir = join(rig.dir, 'killed');
    const options = { ...rig.fake.options, keepBases: false, password: { env: PASSWORD } };
    process.env[PASSWORD] = LOGIN.password;
    try {
      const said = await collectAfterKill(vsphere, { dir, build, options, request: rig.request }, () => {
        expect(rig.fake.leftovers().length).toBeGreaterThan(1);
      });
      expect(said).toEqual([`${build} running`, `${build} collected`, `${build} clean`]);
    } finally {
      delete process.env[PASSWORD];
    }
    expect(rig.fake.leftovers()).toEqual([]);
    expect(filesBelow(join(dir, 'work'))).toEqual([]);
  });

  it('doctor says what it found and changes nothing', async () => {
    const look = () => vsphere.doctor(rig.options, MACHINE, new AbortController().signal);
    expect((await look()).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
    rig.use({ cluster: 'cluster9' });
    expect(await look()).toContainEqual(expect.objectContaining({ name: 'vCenter placement', status: 'missing' }));
    rig.use({ password: 'wrong' });
    expect((await look()).some(({ detail }) => detail.includes('does not take the login'))).toBe(true);
    expect(rig.fake.calls.filter((call) => /^(PUT|PATCH|DELETE|POST)/.test(call) && !/session|action=find/.test(call))).toEqual(
      [],
    );
    expect(rig.fake.tokens.size).toBe(0);
  });

  it('gives a deployed machine cloud-init data, again and again', async () => {
    const machine = await rig.deployed('node1');
    const { signal } = new AbortController();
    await using context = await testContext();
    const said: string[] = [];
    const attach = () => attachCloudInit(rig.options, 'node1', SEED, (text) => said.push(text), { clock: context.clock, signal });
    await attach();
    expect(machine.snapshots.map(({ name }) => name)).toEqual(['new', 'cloudinit']);
    expect([...machine.extra.keys()].sort()).toEqual([
      'guestinfo.metadata',
      'guestinfo.metadata.encoding',
      'guestinfo.userdata',
      'guestinfo.userdata.encoding',
    ]);
    await attach();
    expect(machine.snapshots.map(({ name }) => name)).toEqual(['new', 'cloudinit']);
    expect(said).toContain('went back to snapshot new');
    await expect(attachCloudInit(rig.options, 'node2', SEED, () => {}, { clock: context.clock, signal })).rejects.toMatchObject({
      code: 'KIB_VSPHERE_PLACEMENT',
    });
  });

  it('leaves nothing when it is aborted at any await', { timeout: 900_000 }, async () => {
    rig.use({ keepBases: false });
    const outcomes = await fuzz(
      (n) => ({ signal: countingSignal(n) }),
      async (context) => {
        const { stopped, disk } = await rig.sealed(context);
        await disk.download?.(context);
        await stopped[Symbol.asyncDispose]();
      },
      rig.remains,
    );
    expect(outcomes.length).toBeGreaterThan(100);
    // What is made of a running machine goes with the build's scope.
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: CANCELLED.code, suppressed: [], atEnd: NOTHING });
  });

  it('leaves nothing when making a template is aborted at any await', { timeout: 900_000 }, async () => {
    await using first = await testContext();
    const { stopped, disk } = await rig.sealed(first);
    for (const kind of ['library', 'inventory'] as const) {
      rig.use({ template: { kind } });
      const before = rig.fake.leftovers().length;
      const outcomes = await fuzz(
        (n) => ({ signal: countingSignal(n) }),
        async (context) => {
          const [image] = (await rig.publish(disk, context)).images;
          expect(image?.id).toBe('debian13-kube-v1.36.1');
        },
        () => rig.fake.leftovers().slice(before),
      );
      expect(outcomes.length).toBeGreaterThan(8);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ code: CANCELLED.code, suppressed: [], atEnd: NOTHING });
    }
    await stopped[Symbol.asyncDispose]();
  });
});
