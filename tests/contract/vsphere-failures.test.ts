import { describe, expect, it } from 'vitest';
import { leftovers, NOTHING } from '../../src/testing/outcome.ts';
import { testContext } from '../support/test-context.ts';
import { vsphereContract } from '../support/vsphere/contract.ts';
import { memoryRunner } from '../support/vsphere/runner.ts';

describe('driver vsphere: what goes wrong', () => {
  const rig = vsphereContract();

  it('says what is missing when the tools tell no address', async () => {
    await rig.restart({ runner: memoryRunner({ mute: true }) }, { addressMinutes: 0.001 });
    await using context = await testContext();
    const machine = await rig.launch(context);
    await expect(machine.endpoint(context.signal)).rejects.toMatchObject({
      code: 'KIB_VSPHERE_ADDRESS',
      hint: expect.stringContaining('open-vm-tools') as string,
    });
  });

  it('kills a guest that does not power off, and says so', async () => {
    await rig.restart({ runner: memoryRunner({ deaf: true }) });
    await using context = await testContext();
    const machine = await rig.launch(context);
    await expect(machine.shutdown({ graceMs: 200, signal: context.signal })).rejects.toMatchObject({ code: 'KIB_SHUTDOWN' });
    expect(await leftovers(context, rig.remains)).toEqual(NOTHING);
  });

  it('notices a machine that stops by itself', async () => {
    await using context = await testContext();
    const machine = await rig.launch(context);
    const [vm] = [...rig.fake.world.machines.all.keys()];
    await rig.fake.world.machines.stop(vm ?? '');
    await expect(machine.exited).rejects.toMatchObject({ code: 'KIB_VSPHERE_EXITED' });
  });

  describe('names what is wrong', () => {
    const refused = async (more: Readonly<Record<string, unknown>>) => {
      rig.use(more);
      await using context = await testContext();
      const error: unknown = await rig.launch(context).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      await context.scope[Symbol.asyncDispose]();
      expect(await leftovers(context, rig.remains)).toEqual(NOTHING);
      expect(rig.fake.tokens.size).toBe(0);
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
      rig.use({ folder: 'team/images', resourcePool: 'builds', library: 'kib-native', insecure: true, caFile: undefined });
      await using context = await testContext();
      await rig.launch(context);
      expect(rig.fake.world.library.libraries.get('lib-2')).toBe('kib-native');
    });

    it.for([
      [/POST .*action=deploy/, 500, 'ERROR', 'Insufficient disk space on datastore datastore1.', 'KIB_VSPHERE_STORAGE'],
      [/POST .*action=deploy/, 403, 'UNAUTHORIZED', 'Permission denied.', 'KIB_VSPHERE_UNAUTHORIZED'],
      [/POST .*action=mount/, 400, 'NOT_ALLOWED_IN_CURRENT_STATE', 'There is no controller.', 'KIB_VSPHERE'],
      [/POST .*power\?action=start/, 400, 'UNABLE_TO_ALLOCATE_RESOURCE', 'No host is compatible.', 'KIB_VSPHERE'],
    ] as const)('of a refusal of %s with %i', async ([call, status, type, message, code]) => {
      rig.fake.fail(call, status, type, message);
      expect(await refused({ seed: 'iso' })).toMatchObject({ code, message: expect.stringContaining(message) as string });
    });

    it('of an upload that vCenter cannot read', async () => {
      rig.fake.world.library.failing = 'Pipe closed';
      expect(await refused({})).toMatchObject({
        code: 'KIB_VSPHERE_TASK',
        message: expect.stringContaining('Pipe closed') as string,
      });
    });

    it('goes on after an answer of 503', async () => {
      rig.fake.fail(/GET .*update-session/, 503, 'SERVICE_UNAVAILABLE', 'Try again.', 2);
      expect(await refused({})).toBe(undefined);
    });
  });
});
