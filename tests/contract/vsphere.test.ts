import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attachCloudInit } from '../../drivers/vsphere/cloudinit.ts';
import { vsphere } from '../../drivers/vsphere/driver.ts';
import type { VsphereOptions } from '../../drivers/vsphere/options.ts';
import { type LaunchRequest, MiB, type RemoteBase, type RemoteDisk, type RunningMachine } from '../../src/core/index.ts';
import { convert } from '../../src/io/qemu-img.ts';
import { countingSignal } from '../../src/testing/counting-signal.ts';
import { CANCELLED, fuzz, leftovers, NOTHING } from '../../src/testing/outcome.ts';
import { testSubject } from '../support/subject.ts';
import { type TestContext, testContext } from '../support/test-context.ts';
import { FakeVcenter, LOGIN } from '../support/vsphere/fake.ts';
import { openApi } from '../support/vsphere/openapi.ts';
import { memoryRunner, type Runner } from '../support/vsphere/runner.ts';

const api = openApi();
if (typeof api === 'string') console.warn(`exchanges with the fake vCenter are not validated: ${api}`);

const MACHINE: LaunchRequest['machine'] = {
  arch: 'amd64',
  firmware: 'bios',
  cpus: 3,
  memoryBytes: 513 * MiB,
  diskBytes: 16 * MiB,
  x86Level: 1,
};
const SEED = { 'user-data': '#cloud-config\n{}\n', 'meta-data': 'instance-id: i-1\nlocal-hostname: node\n' };

describe('driver vsphere on the fake vCenter', () => {
  let dir: string;
  let fake: FakeVcenter;
  let options: VsphereOptions;
  let request: LaunchRequest;

  const start = async (more: { readonly runner?: Runner; readonly version?: string; readonly delayMs?: number } = {}) =>
    FakeVcenter.start({
      dir: await mkdtemp(join(dir, 'vc-')),
      runner: memoryRunner(),
      openApi: typeof api === 'string' ? undefined : api,
      ...more,
    });
  const use = (given: FakeVcenter, more: Readonly<Record<string, unknown>> = {}) => {
    fake = given;
    options = vsphere.options.parse({ ...fake.options, ...more });
  };
  const remains = () => fake.leftovers();
  const launch = (context: TestContext, what = request): Promise<RunningMachine> => vsphere.launch(what, options, context);
  const sealed = async (context: TestContext, what = request) => {
    const machine = await launch(context, what);
    const stopped = await machine.shutdown({ graceMs: 10_000, signal: context.signal });
    return { stopped, disk: (await stopped.seal()) as RemoteDisk };
  };
  const subject = () => testSubject({ machine: MACHINE });
  const { images } = vsphere;
  if (images === undefined) throw new Error('the driver keeps no images');
  /** A machine of the inventory that nobody of ours made. */
  const deployed = async (name: string, more: { readonly isTemplate?: boolean } = {}) => {
    const { machines } = fake.world;
    const made = await machines.create(name, { network: 'network-1', cpus: 1, memoryMiB: 256 }, async (path) => {
      const raw = join(dir, 'base.raw');
      await convert({
        source: { path: raw, format: 'raw' },
        target: path,
        targetFormat: 'vmdk',
        signal: new AbortController().signal,
      });
    });
    made.isTemplate = more.isTemplate ?? false;
    return made;
  };
  const find = (name: string, context: TestContext) => images.findBase({ kind: 'template', name }, MACHINE, options, context);

  const { TMPDIR } = process.env;
  beforeEach(async () => {
    dir = await mkdtemp(join(TMPDIR ?? '/tmp', 'kib-vsphere-'));
    // A temporary folder of our own shows everything that is left in it, and nothing of others.
    process.env['TMPDIR'] = join(dir, 't');
    await mkdir(join(dir, 't'));
    const path = join(dir, 'base.raw');
    await writeFile(path, Buffer.alloc(8 * MiB, 'base of the test '));
    request = { name: 'test', machine: MACHINE, base: { path, format: 'raw' }, seed: SEED };
    use(await start());
  });
  afterEach(async () => {
    await fake[Symbol.asyncDispose]();
    const { violations } = fake;
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
    await rm(dir, { recursive: true, force: true });
    expect(violations).toEqual([]);
  });

  it('uploads a base, runs a machine of it, and brings its disk back', async () => {
    await using context = await testContext();
    const machine = await launch(context);
    expect(await machine.endpoint(context.signal)).toEqual({ host: '192.0.2.77', port: 22 });
    const [vm] = [...fake.world.machines.all.values()];
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
    expect(await leftovers(context, remains)).toEqual(NOTHING);
    expect(context.scope.held).toEqual([]);
    expect(fake.tokens.size).toBe(0);
  });

  it('keeps the base in the library for the next machine, but not a throw-away one', async () => {
    await using context = await testContext();
    for (const _ of [1, 2]) await (await launch(context))[Symbol.asyncDispose]();
    expect(fake.calls.filter((call) => call.startsWith('PUT ') && call.includes('.vmdk'))).toHaveLength(1);
    expect([...fake.world.library.items.values()].map(({ name }) => name)).toEqual([
      expect.stringMatching(/^kib-base-[0-9a-f]{64}$/),
    ]);
    const base = { ...(request.base as { path: string; format: 'raw' }), isThrowaway: true };
    await (await launch(context, { ...request, base }))[Symbol.asyncDispose]();
    expect(fake.world.library.items.size).toBe(1);
  });

  describe('starts from', () => {
    const grown = { ...MACHINE, diskBytes: 24 * MiB };
    const from = async (base: RemoteBase, context: TestContext) => {
      const { stopped, disk } = await sealed(context, { ...request, base, machine: grown });
      expect(disk.virtualBytes).toBe(24 * MiB);
      await stopped[Symbol.asyncDispose]();
      expect(await leftovers(context, remains)).toEqual(NOTHING);
    };

    it('a machine of the inventory', async () => {
      await using context = await testContext();
      await deployed('golden');
      const base = await find('golden', context);
      expect(base).toMatchObject({ id: 'vm:vm-101', facts: { name: 'golden' } });
      await from(base, context);
    });

    it('a template of the inventory, which only VI-JSON shows', async () => {
      use(fake, { datacenter: 'dc1' });
      await using context = await testContext();
      await deployed('golden', { isTemplate: true });
      const base = await find('golden', context);
      expect(base.id).toBe('template:vm-101');
      await from(base, context);
    });

    it('a template of the library that the driver made', async () => {
      await using context = await testContext();
      const { stopped, disk } = await sealed(context);
      const published = await images.publish(disk, 'template', subject(), options, context);
      await published.keep();
      await stopped[Symbol.asyncDispose]();
      const base = await find('images/debian13-kube-v1.36.1', context);
      expect(base.id).toMatch(/^vm-template:/);
      await from(base, context);
    });

    it('nothing that is not there, or is there twice, or runs', async () => {
      await using context = await testContext();
      await expect(find('golden', context)).rejects.toMatchObject({
        code: 'KIB_BASE_MISSING',
        hint: expect.stringContaining('driver.datacenter') as string,
      });
      const machine = await deployed('golden');
      const item = await fake.world.library.add('lib-1', 'golden', 'ovf');
      await expect(find('golden', context)).rejects.toThrow(/2 things called golden/);
      await fake.world.library.remove(item.id);
      await fake.world.machines.start(machine.id);
      await expect(find('golden', context)).rejects.toThrow(/not powered off/);
    });

    it('no smaller disk without VI-JSON, and no other firmware', async () => {
      await fake[Symbol.asyncDispose]();
      use(await start({ version: '7.0.3.0' }));
      await using context = await testContext();
      await deployed('golden');
      const base = await find('golden', context);
      await expect(launch(context, { ...request, base })).rejects.toMatchObject({
        code: 'KIB_VSPHERE_VERSION',
        hint: expect.stringContaining('disk:') as string,
      });
      const machine = { ...MACHINE, firmware: 'uefi', diskBytes: 8 * MiB } as const;
      await expect(launch(context, { ...request, base, machine })).rejects.toMatchObject({
        code: 'KIB_DRIVER_CANNOT',
        hint: 'firmware: bios',
      });
      expect(await leftovers(context, remains)).toEqual(NOTHING);
    });
  });

  it.for(['library', 'inventory', 'machine'] as const)(
    'makes a template of kind %s that can be booted, found and removed',
    async (kind) => {
      use(fake, { template: { kind } });
      await using context = await testContext();
      const { stopped, disk } = await sealed(context);
      const published = await images.publish(disk, 'template', subject(), options, context);
      await stopped[Symbol.asyncDispose]();
      const [image] = published.images;
      if (image === undefined) throw new Error('there is no image');
      const bigger = { ...MACHINE, diskBytes: 20 * MiB };
      await (await launch(context, { ...request, machine: bigger, base: images.baseOf(image, options) }))[Symbol.asyncDispose]();
      expect(fake.leftovers().length).toBe(kind === 'library' ? 1 : 0);
      await published.keep();
      expect(context.journal.held).toEqual([]);
      expect(await images.exists(image, options, context)).toBe(true);
      const [again] = [await sealed(context)];
      if (kind !== 'inventory') {
        await expect(images.publish(again.disk, 'template', subject(), options, context)).rejects.toMatchObject({
          code: 'KIB_VSPHERE_NAME_TAKEN',
        });
      }
      await again.stopped[Symbol.asyncDispose]();
      await images.remove(image, options, context);
      await images.remove(image, options, context).catch(() => {});
      expect(await images.exists(image, options, context)).toBe(false);
    },
  );

  it.for([
    ['customization', '8.0.2.0'],
    ['customization', '7.0.3.0'],
  ] as const)('gives the seed as %s on %s', async ([seed, version]) => {
    await fake[Symbol.asyncDispose]();
    use(await start({ version }), { seed });
    await using context = await testContext();
    await launch(context);
    const [vm] = [...fake.world.machines.all.values()];
    expect(JSON.stringify(vm?.customization)).toContain('instance-id: i-1');
    expect(vm?.cdroms.size).toBe(0);
  });

  it('gives the seed as OVF properties to an OVF item alone', async () => {
    use(fake, { seed: 'ovf' });
    await using context = await testContext();
    await launch(context);
    const [vm] = [...fake.world.machines.all.values()];
    expect(vm?.properties).toEqual({
      'instance-id': 'i-1',
      hostname: 'node',
      'user-data': Buffer.from(SEED['user-data']).toString('base64'),
    });
    await deployed('golden');
    const base = await find('golden', context);
    await expect(launch(context, { ...request, base })).rejects.toMatchObject({ code: 'KIB_DRIVER_CANNOT' });
  });

  it('gives the guest a fixed address, and needs no VMware Tools then', async () => {
    await fake[Symbol.asyncDispose]();
    use(await start({ runner: memoryRunner({ mute: true }) }), { address: { cidr: '192.0.2.10/24', gateway: '192.0.2.1' } });
    await using context = await testContext();
    const machine = await launch(context);
    expect(await machine.endpoint(context.signal)).toEqual({ host: '192.0.2.10', port: 22 });
  });

  it('says what is missing when the tools tell no address', async () => {
    await fake[Symbol.asyncDispose]();
    use(await start({ runner: memoryRunner({ mute: true }) }), { addressMinutes: 0.001 });
    await using context = await testContext();
    const machine = await launch(context);
    await expect(machine.endpoint(context.signal)).rejects.toMatchObject({
      code: 'KIB_VSPHERE_ADDRESS',
      hint: expect.stringContaining('open-vm-tools') as string,
    });
  });

  it('kills a guest that does not power off, and says so', async () => {
    await fake[Symbol.asyncDispose]();
    use(await start({ runner: memoryRunner({ deaf: true }) }));
    await using context = await testContext();
    const machine = await launch(context);
    await expect(machine.shutdown({ graceMs: 200, signal: context.signal })).rejects.toMatchObject({ code: 'KIB_SHUTDOWN' });
    expect(await leftovers(context, remains)).toEqual(NOTHING);
  });

  it('notices a machine that stops by itself', async () => {
    await using context = await testContext();
    const machine = await launch(context);
    const [vm] = [...fake.world.machines.all.keys()];
    await fake.world.machines.stop(vm ?? '');
    await expect(machine.exited).rejects.toMatchObject({ code: 'KIB_VSPHERE_EXITED' });
  });

  it('logs in again when the session is gone', async () => {
    await using context = await testContext();
    const machine = await launch(context);
    fake.tokens.clear();
    expect((await machine.endpoint(context.signal)).host).toBe('192.0.2.77');
    await machine[Symbol.asyncDispose]();
    expect(fake.tokens.size).toBe(0);
  });

  it('releases a machine to the user', async () => {
    await using context = await testContext();
    const machine = await launch(context);
    await machine.release();
    await machine[Symbol.asyncDispose]();
    const [vm] = [...fake.world.machines.all.keys()];
    expect(await fake.world.machines.isOn(vm ?? '')).toBe(true);
    expect(context.journal.held.map(({ kind }) => kind).sort()).toEqual(['path', 'vsphere:item', 'vsphere:vm']);
  });

  it('removes what a killed build left', async () => {
    const context = await testContext();
    use(fake, { password: { env: 'KIB_TEST_VSPHERE_PASSWORD' } });
    process.env['KIB_TEST_VSPHERE_PASSWORD'] = LOGIN.password;
    try {
      await launch(context);
      expect(fake.leftovers()).toHaveLength(2);
      const held = [...context.journal.held].reverse().filter(({ kind }) => kind !== 'path');
      expect(JSON.stringify(held)).not.toContain(LOGIN.password);
      expect(await Promise.all(held.map(async (resource) => vsphere.reap(resource)))).toEqual([
        `removed from ${fake.server}`,
        `removed from ${fake.server}`,
      ]);
      expect(fake.leftovers()).toEqual([]);
      for (const resource of held) expect(await vsphere.reap(resource)).toBe(`was gone from ${fake.server} already`);
      await context[Symbol.asyncDispose]();
    } finally {
      delete process.env['KIB_TEST_VSPHERE_PASSWORD'];
    }
  });

  describe('names what is wrong', () => {
    const refused = async (more: Readonly<Record<string, unknown>>) => {
      use(fake, more);
      await using context = await testContext();
      const error: unknown = await launch(context).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      await context.scope[Symbol.asyncDispose]();
      expect(await leftovers(context, remains)).toEqual(NOTHING);
      expect(fake.tokens.size).toBe(0);
      return error;
    };

    it.for([
      [{ password: 'wrong-horse' }, 'KIB_VSPHERE_LOGIN', /does not take the login/],
      [{ caFile: undefined }, 'KIB_VSPHERE_CONNECT', /self.signed certificate/],
      [{ password: { env: 'KIB_NOT_SET' } }, 'KIB_SECRET_MISSING', /KIB_NOT_SET/],
      [{ cluster: 'cluster9' }, 'KIB_VSPHERE_PLACEMENT', /no cluster called cluster9; there is cluster1, cluster2/],
      [{ cluster: undefined, datastore: undefined }, 'KIB_VSPHERE_PLACEMENT', /2 of kind datastore: datastore1, datastore2/],
      [{ network: 'twice' }, 'KIB_VSPHERE_PLACEMENT', /2 of kind network called twice/],
      [{ folder: 'images' }, 'KIB_VSPHERE_PLACEMENT', /2 of kind folder called images/],
      [{ folder: 'team/nothing' }, 'KIB_VSPHERE_PLACEMENT', /no folder called nothing/],
      [{ resourcePool: 'nothing' }, 'KIB_VSPHERE_PLACEMENT', /no resource pool called nothing/],
      [{ library: 'nothing' }, 'KIB_VSPHERE_PLACEMENT', /no local content library called nothing; there is images/],
    ] as const)('of options %o', async ([more, code, message]) => {
      expect(await refused(more)).toMatchObject({ code, message: expect.stringMatching(message) as string });
    });

    it('takes a path, a pool, a host and the library it makes itself', async () => {
      use(fake, { folder: 'team/images', resourcePool: 'builds', library: 'kib-native', insecure: true, caFile: undefined });
      await using context = await testContext();
      await launch(context);
      expect(fake.world.library.libraries.get('lib-2')).toBe('kib-native');
    });

    it.for([
      [/POST .*action=deploy/, 500, 'ERROR', 'Insufficient disk space on datastore datastore1.', 'KIB_VSPHERE_STORAGE'],
      [/POST .*action=deploy/, 403, 'UNAUTHORIZED', 'Permission denied.', 'KIB_VSPHERE_UNAUTHORIZED'],
      [/POST .*action=mount/, 400, 'NOT_ALLOWED_IN_CURRENT_STATE', 'There is no controller.', 'KIB_VSPHERE'],
      [/POST .*power\?action=start/, 400, 'UNABLE_TO_ALLOCATE_RESOURCE', 'No host is compatible.', 'KIB_VSPHERE'],
    ] as const)('of a refusal of %s with %i', async ([call, status, type, message, code]) => {
      fake.fail(call, status, type, message);
      expect(await refused({})).toMatchObject({ code, message: expect.stringContaining(message) as string });
    });

    it('of an upload that vCenter cannot read', async () => {
      fake.world.library.failing = 'Pipe closed';
      expect(await refused({})).toMatchObject({
        code: 'KIB_VSPHERE_TASK',
        message: expect.stringContaining('Pipe closed') as string,
      });
    });

    it('goes on after an answer of 503', async () => {
      fake.fail(/GET .*update-session/, 503, 'SERVICE_UNAVAILABLE', 'Try again.', 2);
      expect(await refused({})).toBe(undefined);
    });
  });

  it('doctor says what it found and changes nothing', async () => {
    const look = () => vsphere.doctor(options, MACHINE, new AbortController().signal);
    expect((await look()).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
    use(fake, { cluster: 'cluster9' });
    expect(await look()).toContainEqual(expect.objectContaining({ name: 'vCenter placement', status: 'missing' }));
    use(fake, { password: 'wrong' });
    expect((await look()).some(({ detail }) => detail.includes('does not take the login'))).toBe(true);
    expect(fake.calls.filter((call) => /^(PUT|PATCH|DELETE|POST)/.test(call) && !/session|action=find/.test(call))).toEqual([]);
    expect(fake.tokens.size).toBe(0);
  });

  it('gives a deployed machine cloud-init data, again and again', async () => {
    const machine = await deployed('node1');
    const { signal } = new AbortController();
    await using context = await testContext();
    const said: string[] = [];
    const attach = () => attachCloudInit(options, 'node1', SEED, (text) => said.push(text), { clock: context.clock, signal });
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
    await expect(attachCloudInit(options, 'node2', SEED, () => {}, { clock: context.clock, signal })).rejects.toMatchObject({
      code: 'KIB_VSPHERE_PLACEMENT',
    });
  });

  it('leaves nothing when it is aborted at any await', { timeout: 900_000 }, async () => {
    use(fake, { keepBases: false });
    const outcomes = await fuzz(
      (n) => ({ signal: countingSignal(n) }),
      async (context) => {
        const { stopped, disk } = await sealed(context);
        await disk.download?.(context);
        await stopped[Symbol.asyncDispose]();
      },
      remains,
    );
    expect(outcomes.length).toBeGreaterThan(100);
    // What is made of a running machine goes with the build's scope.
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: CANCELLED.code, suppressed: [], atEnd: NOTHING });
  });

  it('leaves nothing when making a template is aborted at any await', { timeout: 900_000 }, async () => {
    await using first = await testContext();
    const { stopped, disk } = await sealed(first);
    for (const kind of ['library', 'inventory'] as const) {
      use(fake, { template: { kind } });
      const before = fake.leftovers().length;
      const outcomes = await fuzz(
        (n) => ({ signal: countingSignal(n) }),
        async (context) => {
          const [image] = (await images.publish(disk, 'template', subject(), options, context)).images;
          expect(image?.id).toBe('debian13-kube-v1.36.1');
        },
        () => fake.leftovers().slice(before),
      );
      expect(outcomes.length).toBeGreaterThan(8);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ code: CANCELLED.code, suppressed: [], atEnd: NOTHING });
    }
    await stopped[Symbol.asyncDispose]();
  });
});
