import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { vmware } from '../../drivers/vmware/driver.ts';
import { run } from '../../src/io/process.ts';
import { collectAfterKill, hasWritten } from '../support/contract-guest.ts';
import { filesBelow, processesWith } from '../support/leftovers.ts';
import { testContext } from '../support/test-context.ts';
import { TINY_GUEST_LINES, tinyGuestRequest } from '../support/tiny-guest.ts';
import { noVmwareRig, startVmwareRig, type VmwareRig } from '../support/vmware/rig.ts';
import { describeDriver, greeted } from './describe-driver.ts';

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

  describe('VMware keeps a machine', () => {
    const SEED = { 'user-data': '#cloud-config\nhostname: tried\n', 'meta-data': 'instance-id: try-1\n' };

    async function kept(
      change: Readonly<Record<string, string>>,
      meanwhile: (keepIn: string) => Promise<unknown> = async () => {},
    ) {
      const context = await testContext();
      const folder = await mkdtemp(join(dir, 'kept-'));
      const keepIn = join(folder, 'vm');
      const cloudinit = join(folder, 'cloudinit');
      await mkdir(cloudinit);
      for (const [name, text] of Object.entries(SEED)) await writeFile(join(cloudinit, name), text);
      const chosen = vmware.options.parse({ ...given, keepIn, ...change, ...('cloudinit' in change ? { cloudinit } : {}) });
      const machine = await vmware.launch(await tinyGuestRequest(join(folder, 'guest.img')), chosen, context);
      await greeted(machine, TINY_GUEST_LINES[1]);
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      await meanwhile(keepIn);
      try {
        await stopped.seal();
      } finally {
        await stopped[Symbol.asyncDispose]();
        await context[Symbol.asyncDispose]();
        expect(context.journal.held).toEqual([]);
      }
      const names = filesBelow(keepIn);
      const vmx = names.find((name) => name.endsWith('.vmx')) ?? '';
      return { folder, keepIn, chosen, names, vmx: join(keepIn, vmx), settings: await readFile(join(keepIn, vmx), 'utf8') };
    }

    it('without anything of the build, which starts by hand', async () => {
      const { names, vmx, settings } = await kept({});
      expect(names.map((name) => name.replace(/^kib-.*(?=\.vmx$)/, '')).sort()).toEqual(['.vmx', 'disk.vmdk']);
      expect(settings).not.toMatch(/guestinfo|seed\.iso|serial0|generatedAddress/);
      const { signal } = new AbortController();
      await run(rig.vmrun, ['-T', 'ws', 'start', vmx, 'nogui'], { signal });
      expect((await run(rig.vmrun, ['-T', 'ws', 'list'], { signal })).stdout).toContain(vmx);
      await run(rig.vmrun, ['-T', 'ws', 'stop', vmx, 'hard'], { signal });
    });

    it('with user data to try it with, on a CD-ROM', async () => {
      const { names, keepIn, settings } = await kept({ cloudinit: '' });
      expect(names).toContain('seed.iso');
      expect(settings).toContain('sata1:0.fileName = "seed.iso"');
      const { stdout } = await run('isoinfo', ['-R', '-x', '/user-data', '-i', join(keepIn, 'seed.iso')], {
        signal: new AbortController().signal,
      });
      expect(stdout).toBe(SEED['user-data']);
    });

    it('with user data to try it with, by guestinfo', async () => {
      const { names, settings } = await kept({ cloudinit: '', seed: 'guestinfo' });
      expect(names).not.toContain('seed.iso');
      const [, value = ''] = /^guestinfo\.userdata = "(.*)"$/m.exec(settings) ?? [];
      expect(gunzipSync(Buffer.from(value, 'base64')).toString()).toBe(SEED['user-data']);
    });

    it('once, and never in the place of anything that is there', async () => {
      const { folder, chosen } = await kept({});
      await using context = await testContext();
      const request = await tinyGuestRequest(join(folder, 'guest.img'));
      await expect(vmware.launch(request, chosen, context)).rejects.toMatchObject({ code: 'KIB_OUTPUT_EXISTS' });
      // Somebody else’s comes while the machine runs.
      const seen: string[] = [];
      const late = kept({}, async (keepIn) => {
        seen.push(keepIn);
        await mkdir(keepIn);
        await writeFile(join(keepIn, 'mine'), 'mine');
      });
      await expect(late).rejects.toMatchObject({ code: 'KIB_OUTPUT_EXISTS' });
      const [keepIn = ''] = seen;
      expect(filesBelow(dirname(keepIn)).filter((path) => path.startsWith('vm'))).toEqual(['vm', 'vm/mine']);
    });

    it('or says that the disk it goes to is full', async () => {
      const full = await mkdtemp(join(dir, 'full-'));
      const { signal } = new AbortController();
      await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', full], { signal });
      try {
        await expect(kept({ keepIn: join(full, 'vm') })).rejects.toMatchObject({ code: 'KIB_DISK_FULL' });
        expect(filesBelow(full)).toEqual([]);
      } finally {
        await run('umount', [full], { signal });
      }
    });

    it('not without the user data it was promised, and says so before it boots', async () => {
      await using context = await testContext();
      const wrong = vmware.options.parse({ ...given, keepIn: join(dir, 'never'), cloudinit: join(dir, 'nowhere') });
      const launching = vmware.launch(await tinyGuestRequest(join(dir, 'guest.img')), wrong, context);
      await expect(launching).rejects.toMatchObject({ code: 'KIB_HOST_PERMISSION' });
      expect(vmware.validate?.((await tinyGuestRequest(join(dir, 'guest.img'))).machine, { ...options, cloudinit: 'x' })).toEqual(
        [{ path: 'cloudinit', message: 'is for the machine that is kept: give keepIn too' }],
      );
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
