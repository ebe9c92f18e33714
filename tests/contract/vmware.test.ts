import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { vmware } from '../../drivers/vmware/driver.ts';
import type { SealedDisk } from '../../src/core/index.ts';
import { convert } from '../../src/io/qemu-img.ts';
import { filesBelow, processesWith } from '../support/leftovers.ts';
import { testContext } from '../support/test-context.ts';
import { hasTinyGuestWritten, TINY_GUEST_LINES, tinyGuestRequest } from '../support/tiny-guest.ts';
import { noVmwareRig, startVmwareRig, type VmwareRig } from '../support/vmware/rig.ts';
import { describeDriver } from './describe-driver.ts';

// None where it cannot be had.
const dir = await mkdtemp(join(tmpdir(), 'kib-vmware-'));
const rigs: readonly VmwareRig[] = noVmwareRig === undefined ? [await startVmwareRig(dir)] : [];
afterAll(async () => {
  for (const rig of rigs) await rig[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

describe.skipIf(noVmwareRig !== undefined)(
  `on a vmrun that boots in QEMU${noVmwareRig === undefined ? '' : `: ${noVmwareRig}`}`,
  () => {
    for (const rig of rigs) describeVmware(rig);
  },
);

function describeVmware(rig: VmwareRig): void {
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
    momentMs: 150,
    remains: (buildId) => machinesOf(rig, buildId).map(({ vmx }) => vmx),
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
      [{}, { diskBytes: 512 }, 'KIB_DRIVER_CANNOT', 'the base is larger than the disk'],
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

async function hasWritten(disk: SealedDisk, folder: string): Promise<boolean> {
  if (disk.kind !== 'file') return false;
  const target = join(folder, 'sealed.img');
  await convert({ source: disk, target, targetFormat: 'raw', signal: new AbortController().signal });
  return hasTinyGuestWritten(await readFile(target));
}
