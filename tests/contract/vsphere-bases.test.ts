import { describe, expect, it } from 'vitest';
import { MiB, type RemoteBase } from '../../src/core/index.ts';
import { leftovers, NOTHING } from '../../src/testing/outcome.ts';
import { type TestContext, testContext } from '../support/test-context.ts';
import { MACHINE, vsphereContract } from '../support/vsphere/contract.ts';

describe('driver vsphere: bases and templates', () => {
  const rig = vsphereContract();

  describe('starts from', () => {
    const grown = { ...MACHINE, diskBytes: 24 * MiB };
    const from = async (base: RemoteBase, context: TestContext) => {
      const { stopped, disk } = await rig.sealed(context, { ...rig.request, base, machine: grown });
      expect(disk.virtualBytes).toBe(24 * MiB);
      await stopped[Symbol.asyncDispose]();
      expect(await leftovers(context, rig.remains)).toEqual(NOTHING);
    };

    it('a machine of the inventory', async () => {
      await using context = await testContext();
      await rig.deployed('golden');
      const base = await rig.find('golden', context);
      expect(base).toMatchObject({ id: 'vm:vm-101', facts: { name: 'golden' } });
      await from(base, context);
    });

    it('a template of the inventory, which only VI-JSON shows', async () => {
      rig.use({ datacenter: 'dc1' });
      await using context = await testContext();
      await rig.deployed('golden', { isTemplate: true });
      const base = await rig.find('golden', context);
      expect(base.id).toBe('template:vm-101');
      await from(base, context);
    });

    it('a template of the library that the driver made', async () => {
      await using context = await testContext();
      const { stopped, disk } = await rig.sealed(context);
      const published = await rig.publish(disk, context);
      await published.keep();
      await stopped[Symbol.asyncDispose]();
      const base = await rig.find('images/debian13-kube-v1.36.1', context);
      expect(base.id).toMatch(/^vm-template:/);
      await from(base, context);
    });

    it('nothing that is not there, or is there twice, or runs', async () => {
      await using context = await testContext();
      await expect(rig.find('golden', context)).rejects.toMatchObject({
        code: 'KIB_BASE_MISSING',
        hint: expect.stringContaining('driver.datacenter') as string,
      });
      const machine = await rig.deployed('golden');
      const item = await rig.fake.world.library.add('lib-1', 'golden', 'ovf');
      await expect(rig.find('golden', context)).rejects.toThrow(/2 things called golden/);
      await rig.fake.world.library.remove(item.id);
      await rig.fake.world.machines.start(machine.id);
      await expect(rig.find('golden', context)).rejects.toThrow(/not powered off/);
    });

    it('no smaller disk without VI-JSON, and no other firmware', async () => {
      await rig.restart({ version: '7.0.3.0' });
      await using context = await testContext();
      await rig.deployed('golden');
      const base = await rig.find('golden', context);
      await expect(rig.launch(context, { ...rig.request, base })).rejects.toMatchObject({
        code: 'KIB_VSPHERE_VERSION',
        hint: expect.stringContaining('disk:') as string,
      });
      const machine = { ...MACHINE, firmware: 'uefi', diskBytes: 8 * MiB } as const;
      await expect(rig.launch(context, { ...rig.request, base, machine })).rejects.toMatchObject({
        code: 'KIB_DRIVER_CANNOT',
        hint: 'firmware: bios',
      });
      expect(await leftovers(context, rig.remains)).toEqual(NOTHING);
    });
  });

  it.for(['library', 'inventory', 'machine'] as const)(
    'makes a template of kind %s that can be booted, found and removed',
    async (kind) => {
      rig.use({ template: { kind } });
      await using context = await testContext();
      const { stopped, disk } = await rig.sealed(context);
      const published = await rig.publish(disk, context);
      await stopped[Symbol.asyncDispose]();
      const [image] = published.images;
      if (image === undefined) throw new Error('there is no image');
      const bigger = { ...MACHINE, diskBytes: 20 * MiB };
      await (await rig.launch(context, { ...rig.request, machine: bigger, base: rig.images.baseOf(image, rig.options) }))[
        Symbol.asyncDispose
      ]();
      expect(rig.fake.leftovers().length).toBe(kind === 'library' ? 1 : 0);
      await published.keep();
      expect(context.journal.held).toEqual([]);
      expect(await rig.images.exists(image, rig.options, context)).toBe(true);
      const [again] = [await rig.sealed(context)];
      if (kind !== 'inventory') {
        await expect(rig.publish(again.disk, context)).rejects.toMatchObject({
          code: 'KIB_VSPHERE_NAME_TAKEN',
        });
      }
      await again.stopped[Symbol.asyncDispose]();
      await rig.images.remove(image, rig.options, context);
      await rig.images.remove(image, rig.options, context).catch(() => {});
      expect(await rig.images.exists(image, rig.options, context)).toBe(false);
    },
  );
});
