import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { vmware } from '../../drivers/vmware/driver.ts';
import { run } from '../../src/io/process.ts';
import { info } from '../../src/io/qemu-img.ts';
import { filesBelow } from '../support/leftovers.ts';
import { testContext } from '../support/test-context.ts';
import { TINY_GUEST_LINES, tinyGuestRequest } from '../support/tiny-guest.ts';
import { onVmwareRig } from '../support/vmware/on-rig.ts';
import type { VmwareRig } from '../support/vmware/rig.ts';
import { greeted } from './describe-driver.ts';

const { signal } = new AbortController();

await onVmwareRig(describeKeeping);

function describeKeeping(rig: VmwareRig, dir: string): void {
  const given = { vmrun: rig.vmrun, leases: [rig.leases], vmx: { 'kib.tools': '192.0.2.1' } };
  const options = vmware.options.parse(given);

  describe('VMware keeps a machine', () => {
    const SEED = { 'user-data': '#cloud-config\nhostname: tried\n', 'meta-data': 'instance-id: try-1\n' };

    async function vmrun(...args: readonly string[]): Promise<string> {
      return (await run(rig.vmrun, ['-T', 'ws', ...args], { signal })).stdout;
    }

    async function runs(vmx: string): Promise<void> {
      await vmrun('start', vmx, 'nogui');
      expect(await vmrun('list')).toContain(vmx);
      await vmrun('stop', vmx, 'hard');
    }

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
      await runs(vmx);
    });

    it('that can be cloned by a snapshot, linked and in full', async () => {
      const { folder, keepIn, vmx } = await kept({});
      await vmrun('snapshot', vmx, 'as built');
      expect(await vmrun('listSnapshots', vmx)).toBe('Total snapshots: 1\nas built\n');
      expect(await readFile(vmx, 'utf8')).toContain('scsi0:0.fileName = "disk-000001.vmdk"');
      for (const type of ['linked', 'full']) {
        const clone = join(folder, type, 'clone.vmx');
        await vmrun('clone', vmx, clone, type, '-snapshot=as built', '-cloneName=another');
        const [disk = ''] = filesBelow(dirname(clone)).filter((name) => name.endsWith('.vmdk'));
        const { backing } = await info({ path: join(dirname(clone), disk), format: 'vmdk' }, signal);
        expect(backing).toBe(type === 'linked' ? join(keepIn, 'disk.vmdk') : undefined);
        await runs(clone);
      }
      await vmrun('deleteSnapshot', vmx, 'as built');
      expect(await vmrun('listSnapshots', vmx)).toBe('Total snapshots: 0\n');
      await runs(vmx);
    });

    it('with user data to try it with, on a CD-ROM', async () => {
      const { names, keepIn, settings } = await kept({ cloudinit: '' });
      expect(names).toContain('seed.iso');
      expect(settings).toContain('sata1:0.fileName = "seed.iso"');
      const { stdout } = await run('isoinfo', ['-R', '-x', '/user-data', '-i', join(keepIn, 'seed.iso')], { signal });
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
