import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/core/index.ts';
import { leftovers, NOTHING } from '../../src/testing/outcome.ts';
import { testContext } from '../support/test-context.ts';
import { MACHINE, SEED, vsphereContract } from '../support/vsphere/contract.ts';

describe('driver vsphere: the seed', () => {
  const rig = vsphereContract();

  it.for([
    ['customization', '8.0.2.0'],
    ['customization', '7.0.3.0'],
  ] as const)('gives the seed as %s on %s', async ([seed, version]) => {
    await rig.restart({ version }, { seed });
    await using context = await testContext();
    await rig.launch(context);
    const [vm] = [...rig.fake.world.machines.all.values()];
    expect(JSON.stringify(vm?.customization)).toContain('instance-id: i-1');
    expect(vm?.cdroms.size).toBe(0);
  });

  it('gives the seed as OVF properties to an OVF item alone', async () => {
    rig.use({ seed: 'ovf' });
    await using context = await testContext();
    await rig.launch(context);
    const [vm] = [...rig.fake.world.machines.all.values()];
    expect(vm?.properties).toEqual({
      'instance-id': 'i-1',
      hostname: 'node',
      'user-data': Buffer.from(SEED['user-data']).toString('base64'),
    });
    await rig.deployed('golden');
    const base = await rig.find('golden', context);
    await expect(rig.launch(context, { ...rig.request, base })).rejects.toMatchObject({ code: 'KIB_DRIVER_CANNOT' });
  });

  describe('by seed: auto', () => {
    const seedOf = () => {
      const [vm] = [...rig.fake.world.machines.all.values()].filter(({ name }) => name.startsWith('kib-'));
      return { cdroms: vm?.cdroms.size, isCustomized: vm?.customization !== undefined, properties: vm?.properties };
    };
    const MOUNT = /POST .*action=mount/;
    const UPLOAD = /POST .*update-session\/[^/]+\/file$/;
    const refuseMount = () => rig.fake.fail(MOUNT, 400, 'NOT_ALLOWED_IN_CURRENT_STATE', 'There is no controller.');
    const nothing = async (context: Awaited<ReturnType<typeof testContext>>) => {
      await context.scope[Symbol.asyncDispose]();
      expect(await leftovers(context, rig.remains)).toEqual(NOTHING);
    };

    it.for(['7.0.2.0', '7.0.3.0', '8.0.2.0'])('is a CD-ROM on %s', async (version) => {
      await rig.restart({ version });
      await using context = await testContext();
      await rig.launch(context);
      expect(seedOf()).toEqual({ cdroms: 1, isCustomized: false, properties: {} });
      await nothing(context);
    });

    it('is a customization where vCenter mounts no CD-ROM, and says why', async () => {
      await using context = await testContext();
      refuseMount();
      await rig.launch(context);
      expect(seedOf()).toEqual({ cdroms: 0, isCustomized: true, properties: {} });
      expect(context.events).toContainEqual(
        expect.objectContaining({
          type: 'warning',
          message: expect.stringMatching(
            /takes no seed as a CD-ROM, so it is given as customization: .*There is no controller/,
          ) as string,
        }),
      );
      // The ISO of no use is gone already.
      expect(rig.remains().filter((name) => name.endsWith('-seed'))).toEqual([]);
      await nothing(context);
    });

    it('is nothing else before vSphere 7.0 U3', async () => {
      await rig.restart({ version: '7.0.2.0' });
      await using context = await testContext();
      refuseMount();
      await expect(rig.launch(context)).rejects.toMatchObject({
        code: 'KIB_VSPHERE',
        message: expect.stringContaining('There is no controller.') as string,
      });
      await nothing(context);
    });

    it.for([
      ['7.0.2.0', { cdroms: 0, isCustomized: false, properties: expect.objectContaining({ 'instance-id': 'i-1' }) as object }],
      ['7.0.3.0', { cdroms: 0, isCustomized: true, properties: {} }],
    ] as const)('without leave to upload, of an OVF that asks for user data on %s, is what is left', async ([version, seed]) => {
      await rig.restart({ version });
      await using context = await testContext();
      await rig.ovfWithProperties('cloud', context);
      const base = await rig.find('cloud', context);
      rig.fake.fail(UPLOAD, 403, 'UNAUTHORIZED', 'Permission denied.');
      await rig.launch(context, { ...rig.request, base, machine: { ...MACHINE, diskBytes: 8 * MiB } });
      expect(seedOf()).toEqual(seed);
      await nothing(context);
    });

    it('is a refusal where the OVF asks for nothing', async () => {
      await rig.restart({ version: '7.0.2.0' });
      await using context = await testContext();
      const { disk, stopped } = await rig.sealed(context);
      await (await rig.publish(disk, context)).keep();
      await stopped[Symbol.asyncDispose]();
      const base = await rig.find('images/debian13-kube-v1.36.1', context);
      rig.fake.fail(UPLOAD, 403, 'UNAUTHORIZED', 'Permission denied.');
      await expect(rig.launch(context, { ...rig.request, base })).rejects.toMatchObject({ code: 'KIB_VSPHERE_UNAUTHORIZED' });
      await nothing(context);
    });

    it('does not go on after an interruption', async () => {
      await using context = await testContext();
      rig.fake.onCall = (call) => {
        if (MOUNT.test(call)) context.abort();
      };
      await expect(rig.launch(context)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
      expect(rig.fake.calls.filter((call) => call.includes('customization'))).toEqual([]);
      await nothing(context);
    });
  });
});
