import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { libvirt } from '../../drivers/libvirt/driver.ts';
import { type LaunchRequest, localBase } from '../../src/core/index.ts';
import { create } from '../../src/io/qemu-img.ts';
import { atJournalLine, CANCELLED, fuzz } from '../../src/testing/outcome.ts';
import { collectAfterKill, countingLayers, greeting, hasWritten } from '../support/contract-guest.ts';
import { filesBelow, processesWith } from '../support/leftovers.ts';
import { onLibvirtRig } from '../support/libvirt/on-rig.ts';
import { startLibvirtRig } from '../support/libvirt/rig.ts';
import { privateLines } from '../support/private-lines.ts';
import { type TestContext, testContext } from '../support/test-context.ts';
import { TINY_GUEST_LINES, tinyGuestRequest } from '../support/tiny-guest.ts';
import { describeDriver, greeted } from './describe-driver.ts';

await onLibvirtRig((rig) => {
  const options = libvirt.options.parse(rig.options);

  describeDriver({
    driver: libvirt,
    options,
    guest: async (dir) => tinyGuestRequest(join(dir, 'guest.img')),
    deafGuest: async (dir) => tinyGuestRequest(join(dir, 'deaf.img'), { deaf: true }),
    greeting: TINY_GUEST_LINES[1],
    hasWritten,
    kill: (machine) => {
      for (const line of qemuOf(machine)) process.kill(Number.parseInt(line, 10), 'SIGKILL');
    },
    isRunning: async (machine) => Promise.resolve(qemuOf(machine).length > 0),
    hasAddress: false,
    remains: (buildId) => rig.named(buildId),
    secrets: privateLines(rig.options['keyFile'] ?? ''),
    layers: countingLayers,
  });

  describe('libvirt', () => {
    let dir: string;
    let request: LaunchRequest;
    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'kib-libvirt-'));
      request = await tinyGuestRequest(join(dir, 'guest.img'));
    });
    afterEach(() => rm(dir, { recursive: true, force: true }));

    it('is used on this host as on another', async () => {
      await using context = await testContext();
      const local = libvirt.options.parse(rig.localOptions);
      const machine = await libvirt.launch(request, local, context);
      expect(await greeted(machine, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      expect(await hasWritten(await stopped.seal(), dir)).toBe(true);
      await stopped[Symbol.asyncDispose]();
      expect(rig.named(context.buildId)).toEqual([]);
    });

    const variants = [
      [{ diskBus: 'scsi', seedBus: 'scsi', networkModel: 'e1000e', cache: 'writeback', display: 'vnc' }, 'bios'],
      [{ diskBus: 'sata', seedBus: 'sata', networkModel: 'rtl8139', cache: 'none', watchdog: false, keepBases: false }, 'bios'],
      [{ cpuModel: 'Nehalem', machineType: 'pc-q35-7.2', bridge: 'virbr0' }, 'bios'],
      [{}, 'uefi'],
      [{ secureBoot: true }, 'uefi'],
    ] as const;

    it.for(variants)('starts machines with %o and %s', async ([given, firmware]) => {
      await using context = await testContext();
      const what = { ...request, machine: { ...request.machine, firmware, memoryBytes: 256 * 1024 * 1024 } };
      const machine = await libvirt.launch(what, { ...options, ...given }, context);
      if (firmware === 'bios') await greeted(machine, TINY_GUEST_LINES[1]);
      else expect(qemuOf(machine).join()).toMatch(/OVMF_CODE/);
      await machine[Symbol.asyncDispose]();
      expect(rig.named(context.buildId)).toEqual([]);
      expect(filesBelow(join(rig.dir, 'lib/qemu/nvram'))).toEqual([]);
    });

    it('sees that kvm, which libvirt lists, does not run guests, and emulates with one warning', async ({ skip }) => {
      await using context = await testContext();
      await using machine = await libvirt.launch(request, { ...options, domainType: 'auto' }, context);
      if (machine.slowness === 1) skip('kvm works here');
      const warnings = context.events.filter((event) => event.type === 'warning');
      expect(warnings).toMatchObject([{ code: 'KIB_TCG', message: expect.stringContaining('kvm') as string }]);
      expect(rig.named('probe')).toEqual([]);
      const launching = libvirt.launch(request, { ...options, domainType: 'kvm' }, context);
      await expect(launching).rejects.toMatchObject({ code: 'KIB_ACCELERATOR' });
      expect(rig.named('probe')).toEqual([]);
    });

    it('uploads a base once, however many begin with it at the same time', async () => {
      await using context = await testContext();
      await appendFile(join(dir, 'guest.img'), Buffer.alloc(512, context.buildId));
      const before = rig.named('kib-base-').length;
      const machines = await Promise.all([1, 2, 3].map(async () => libvirt.launch(request, options, context)));
      await Promise.all(machines.map(async (machine) => greeted(machine, TINY_GUEST_LINES[1])));
      expect(rig.named('kib-base-')).toHaveLength(before + 1);
      const uploads = context.events.filter((event) => event.type === 'span.note' && event.text.startsWith('uploading'));
      expect(uploads).toHaveLength(1);
    });

    it('leaves no copy of a base that nobody boots again', async () => {
      await using context = await testContext();
      await appendFile(join(dir, 'guest.img'), Buffer.alloc(512, context.buildId));
      const before = rig.named('kib-base-');
      const machine = await libvirt.launch({ ...request, base: { ...request.base, isThrowaway: true } }, options, context);
      await greeted(machine, TINY_GUEST_LINES[1]);
      expect(rig.named('kib-base-')).toEqual(before);
      await machine[Symbol.asyncDispose]();
      expect(rig.named(context.buildId)).toEqual([]);
    });

    // Which the user of a kept machine may start again.
    it('freezes every kind of disk, and the domain stays with the disk it has then', async () => {
      await using context = await testContext();
      const variants = [{}, { diskBus: 'scsi', seedBus: 'sata' }, { diskBus: 'sata', seedBus: 'virtio', cache: 'none' }] as const;
      for (const [index, given] of variants.entries()) {
        const place = async (name: string, backing: string) => {
          const folder = join(dir, `${name}${index}`);
          await mkdir(folder);
          return { folder, backing };
        };
        const chosen = { ...libvirt.options.parse(rig.localOptions), ...given };
        const disk = await place('first', join(dir, 'guest.img'));
        await using machine = await libvirt.launch({ ...request, disk }, chosen, context);
        await greeted(machine, TINY_GUEST_LINES[1]);
        for (const [to, below] of [
          ['second', 'a'],
          ['third', 'b'],
        ] as const) {
          const next = await place(to, `../${below}/disk.qcow2`);
          await machine.freezer?.freeze({ next, memory: false, signal: context.signal });
        }
        const name = machine.id.split(' ').at(-1) ?? '';
        const disks = (...more: readonly string[]) => rig.virsh('domblklist', name, ...more).match(/\S+\.qcow2/g);
        expect(disks()).toEqual([join(rig.pool, `${name}-2.qcow2`)]);
        expect(disks('--inactive')).toEqual(disks());
      }
    });

    it('starts on a layer, and leaves nothing of it or the base in the pool, wherever it is aborted', async () => {
      for (const folder of ['layer', 'next']) await mkdir(join(dir, folder));
      const base = { path: join(dir, 'layer/disk.qcow2'), format: 'qcow2' } as const;
      const backing = { path: join(dir, 'guest.img'), format: 'raw' } as const;
      await create({ ...base, bytes: request.machine.diskBytes, backing }, new AbortController().signal);
      const disk = { folder: join(dir, 'next'), backing: '../layer/disk.qcow2' };
      const before = rig.named('kib-base-');
      let volumes: readonly string[] = [];
      const work = async (context: TestContext): Promise<void> => {
        const machine = await libvirt.launch({ ...request, base, disk }, { ...options, keepBases: false }, context);
        volumes = rig.named(context.buildId);
        await machine[Symbol.asyncDispose]();
      };
      const aborted = await fuzz(atJournalLine, work, (build) => rig.named(build));
      expect(aborted.length).toBeGreaterThan(6);
      for (const outcome of aborted) expect(outcome).toEqual(CANCELLED);
      expect(volumes.filter((name) => /-(base|layers)\.qcow2$/.test(name))).toHaveLength(2);
      expect(rig.named('kib-base-')).toEqual(before);
    });

    it('refuses layers on a part of a file', async () => {
      await using context = await testContext();
      const disk = { folder: dir, backing: join(dir, 'guest.img') };
      const launching = libvirt.launch({ ...request, base: { ...localBase(request), offset: 512 }, disk }, options, context);
      await expect(launching).rejects.toMatchObject({ code: 'KIB_DRIVER_CANNOT' });
    });

    it('logs in again when the connection breaks', async () => {
      await using context = await testContext();
      const machine = await libvirt.launch(request, options, context);
      await greeted(machine, TINY_GUEST_LINES[1]);
      const before = rig.connections();
      rig.drop();
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      expect(rig.connections()).toBeGreaterThan(before);
      expect(await hasWritten(await stopped.seal(), dir)).toBe(true);
    });

    it('says when a guest asks for no address', async () => {
      await using context = await testContext();
      await using machine = await libvirt.launch(request, { ...options, addressSeconds: 1 }, context);
      const abort = new AbortController();
      const aborted = machine.endpoint(abort.signal);
      abort.abort(new Error('enough'));
      await expect(aborted).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
      await expect(machine.endpoint(context.signal)).rejects.toMatchObject({
        code: 'KIB_LIBVIRT_ADDRESS',
        message: 'the guest got no address on network default within 8 s',
      });
    });

    it('leads to the address that the network leased to the guest', async () => {
      await using context = await testContext();
      await using machine = await libvirt.launch(request, options, context);
      // The guest asks for none, so the lease is entered for it, and somebody in the rig's network says hello.
      const hello = rig.lease(machine.id.split(' ').at(-1) ?? '', 'SSH-2.0-guest\r\n');
      try {
        const endpoint = await machine.endpoint(context.signal);
        expect(endpoint.host).toBe('127.0.0.1');
        expect(await greeting(endpoint)).toBe('SSH-2.0-guest\r\n');
        expect(await machine.endpoint(context.signal)).toEqual(endpoint);
        // The same with no way through the host.
        await using direct = await libvirt.launch(request, { ...options, reach: 'direct' }, context);
        rig.lease(direct.id.split(' ').at(-1) ?? '');
        expect(await direct.endpoint(context.signal)).toEqual({ host: '192.168.122.1', port: 22 });
        await machine[Symbol.asyncDispose]();
        await expect(greeting(endpoint)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      } finally {
        hello.kill('SIGKILL');
      }
    });

    it('says when the host’s SSH server forwards nothing', async () => {
      await using closed = await startLibvirtRig(['AllowTcpForwarding no']);
      await using context = await testContext();
      await using machine = await libvirt.launch(request, libvirt.options.parse(closed.options), context);
      closed.lease(machine.id.split(' ').at(-1) ?? '');
      expect(await greeting(await machine.endpoint(context.signal))).toBe('');
      await expect(machine.endpoint(context.signal)).rejects.toMatchObject({
        code: 'KIB_HOST_UNREACHABLE',
        hint: expect.stringContaining('AllowTcpForwarding') as string,
      });
    });

    it('makes a pool where there is none, when told where', async () => {
      await using context = await testContext();
      const made = { ...options, pool: 'made', poolPath: join(rig.dir, 'made') };
      await using machine = await libvirt.launch(request, made, context);
      expect(await greeted(machine, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
      expect(rig.virsh('pool-info', 'made')).toMatch(/State: +running/);
    });

    it('leaves after kill -9 what gc finds and removes', async () => {
      const build = `killed-${process.pid}`;
      const said = await collectAfterKill(libvirt, { dir, build, options: rig.options }, () => {
        expect(rig.named(build).length).toBeGreaterThan(3);
      });
      expect(said).toEqual([`${build} running`, `${build} collected`, `${build} clean`]);
      expect(rig.named(build)).toEqual([]);
      expect(processesWith(build)).toEqual([]);
      expect(filesBelow(join(dir, 'work'))).toEqual([]);
    });
  });
});

function qemuOf({ id }: { readonly id: string }): readonly string[] {
  return processesWith(`guest=${id.split(' ').at(-1)}`);
}
