import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vmware } from '../../drivers/vmware/driver.ts';
import { MiB } from '../../src/core/index.ts';
import { info } from '../../src/io/qemu-img.ts';
import { collectAfterKill, countingLayers, countOn, hasWritten } from '../support/contract-guest.ts';
import { filesBelow, processesWith } from '../support/leftovers.ts';
import { testContext } from '../support/test-context.ts';
import { TINY_GUEST_COUNTS, TINY_GUEST_LINES, tinyGuestRequest } from '../support/tiny-guest.ts';
import { onVmwareRig } from '../support/vmware/on-rig.ts';
import type { VmwareRig } from '../support/vmware/rig.ts';
import { describeDriver, greeted } from './describe-driver.ts';

const { signal } = new AbortController();

await onVmwareRig(describeVmware);

function describeVmware(rig: VmwareRig, dir: string): void {
  // The tiny guest asks for no address: its tools, which it has not, would tell this one.
  const given = { vmrun: rig.vmrun, leases: [rig.leases], vmx: { 'kib.tools': '192.0.2.1' } };
  const options = vmware.options.parse(given);

  describeDriver({
    driver: vmware,
    options,
    guest: async (folder) => tinyGuestRequest(join(folder, 'guest.img')),
    deafGuest: async (folder) => tinyGuestRequest(join(folder, 'deaf.img'), { deaf: true }),
    greeting: TINY_GUEST_LINES[1],
    hasWritten,
    kill: ({ id }) => {
      for (const { pid } of machinesOf(rig, nameOf(id))) process.kill(pid, 'SIGKILL');
    },
    isRunning: async ({ id }) => Promise.resolve(machinesOf(rig, nameOf(id)).length > 0),
    hasAddress: false,
    remains: (buildId) => machinesOf(rig, buildId).map(({ vmx }) => vmx),
    layers: countingLayers,
  });

  describe('VMware launches', () => {
    const variants = [
      { diskInterface: 'lsilogic', networkModel: 'e1000' },
      { diskInterface: 'sata', networkModel: 'e1000e', seed: 'guestinfo' },
      { network: 'custom', vmnet: 'vmnet8', hardwareVersion: 21 },
    ] as const;

    it.for(variants)('with %o', async (variant) => {
      await using context = await testContext();
      const request = await tinyGuestRequest(join(dir, 'guest.img'));
      await using machine = await vmware.launch(request, vmware.options.parse({ ...given, ...variant }), context);
      expect(await machine.endpoint(context.signal)).toEqual({ host: '192.0.2.1', port: 22 });
    });

    const failures = [
      [{ vmrun: '/no/such/vmrun' }, {}, 'KIB_VMRUN_MISSING', 'found none at /no/such/vmrun'],
      [{ network: 'bridged' }, {}, 'KIB_VMRUN', 'vmrun start failed: The network of ethernet0 (bridged) is not available.'],
      [{ vmx: { firmware: 'coreboot' } }, {}, 'KIB_VMRUN', "Module 'FirmwareManager' power on failed."],
      [{}, { diskBytes: 512 }, 'KIB_DRIVER_CANNOT', 'but the base already has 1.0 MiB'],
    ] as const;

    it.for(failures)('fail with %o %o as %s: %s', async ([change, machine, code, message]) => {
      await using context = await testContext();
      const request = await tinyGuestRequest(join(dir, 'guest.img'));
      const wrong = { ...request, machine: { ...request.machine, ...machine } };
      const launching = vmware.launch(wrong, vmware.options.parse({ ...given, ...change }), context);
      await expect(launching).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
      expect(context.journal.held).toEqual([]);
      expect(filesBelow(context.dirs.work)).toEqual([]);
      expect(processesWith(context.buildId)).toEqual([]);
    });

    it('leaves after kill -9 what gc finds and removes', async () => {
      const folder = await mkdtemp(join(dir, 'killed-'));
      const build = `killed-${process.pid}`;
      const said = await collectAfterKill(vmware, { dir: folder, build, options: given }, () => {
        expect(machinesOf(rig, build)).toHaveLength(1);
      });
      expect(said).toEqual([`${build} running`, `${build} collected`, `${build} clean`]);
      expect(machinesOf(rig, build)).toEqual([]);
      expect(filesBelow(join(folder, 'work'))).toEqual([]);
    });
  });

  describe('layers of VMware', () => {
    it('have what changed alone, and are not in a machine that is kept', async () => {
      await using context = await testContext();
      const folder = await mkdtemp(join(dir, 'layered-'));
      const keepIn = join(folder, 'vm');
      const request = await tinyGuestRequest(join(folder, 'guest.img'), { counting: true });
      await appendFile(join(folder, 'guest.img'), randomBytes(4 * MiB));
      const place = async (name: string, backing: string) => {
        await mkdir(join(folder, name));
        return { folder: join(folder, name), backing };
      };
      const disk = await place('a', '../guest.img');
      const machine = await vmware.launch({ ...request, disk }, vmware.options.parse({ ...given, keepIn }), context);
      await greeted(machine, TINY_GUEST_COUNTS);
      for (const [layer, next] of ['ab', 'bc']) {
        const after = await place(next ?? '', `../${layer}/disk.qcow2`);
        await machine.freezer?.freeze({ next: after, memory: false, signal });
      }
      for (const [layer, backing] of [
        ['a', '../guest.img'],
        ['b', '../a/disk.qcow2'],
      ] as const) {
        const path = join(folder, layer, 'disk.qcow2');
        expect(await info({ path, format: 'qcow2' }, signal)).toMatchObject({ backing, virtualBytes: request.machine.diskBytes });
        expect((await stat(path)).size).toBeLessThan(MiB);
      }
      expect(filesBelow(join(folder, 'c'))).toEqual([]);
      await using stopped = await machine.shutdown({ graceMs: 20_000, signal });
      const sealed = await stopped.seal();
      expect(
        filesBelow(keepIn)
          .map((name) => name.replace(/^kib-.*(?=\.vmx$)/, ''))
          .sort(),
      ).toEqual(['.vmx', 'disk.vmdk']);
      const kept = join(keepIn, 'disk.vmdk');
      expect((await info({ path: kept, format: 'vmdk' }, signal)).backing).toBeUndefined();
      const path = sealed.kind === 'file' ? sealed.path : '';
      expect(await countOn(kept, folder)).toBe(await countOn(path, folder));
      const [vmx = ''] = filesBelow(keepIn).filter((name) => name.endsWith('.vmx'));
      expect(await readFile(join(keepIn, vmx), 'utf8')).toContain('scsi0:0.fileName = "disk.vmdk"');
    });

    it('cannot stand on a part of a file', async () => {
      await using context = await testContext();
      const request = await tinyGuestRequest(join(dir, 'guest.img'));
      const base = { path: join(dir, 'guest.img'), format: 'raw', offset: 512 } as const;
      const launching = vmware.launch({ ...request, base, disk: { folder: dir, backing: base.path } }, options, context);
      await expect(launching).rejects.toMatchObject({ code: 'KIB_DRIVER_CANNOT' });
      expect(context.journal.held).toEqual([]);
    });

    it('are none with Player, which takes no snapshots', async () => {
      await using context = await testContext();
      const request = await tinyGuestRequest(join(dir, 'guest.img'));
      const disk = { folder: dir, backing: 'guest.img' };
      const player = vmware.options.parse({ ...given, product: 'player' });
      await using machine = await vmware.launch({ ...request, disk }, player, context);
      expect(machine.freezer).toBeUndefined();
    });
  });
}

function nameOf(id: string): string {
  return id.split(' ').at(-1) ?? id;
}

/** Machines of the rig whose .vmx is called like that. */
function machinesOf({ state }: VmwareRig, text: string): readonly { readonly vmx: string; readonly pid: number }[] {
  return readdirSync(state).flatMap((name) => {
    try {
      const machine = JSON.parse(readFileSync(join(state, name, 'running'), 'utf8')) as { vmx: string; pid: number };
      return machine.vmx.includes(text) && processesWith(machine.vmx).length > 0 ? [machine] : [];
    } catch {
      return [];
    }
  });
}
