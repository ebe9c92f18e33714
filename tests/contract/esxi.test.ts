import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { esxi } from '../../drivers/esxi/driver.ts';
import type { LaunchRequest } from '../../src/core/index.ts';
import { findProgram } from '../../src/io/programs.ts';
import { generateKeyPair } from '../../src/transport/keys.ts';
import { collectAfterKill, greeting, hasWritten } from '../support/contract-guest.ts';
import { packerBuildOnEsxi } from '../support/esxi/packer.ts';
import { type EsxiRig, noRig, startEsxiRig } from '../support/esxi/rig.ts';
import { filesBelow, processesWith } from '../support/leftovers.ts';
import { privateLines } from '../support/private-lines.ts';
import { testContext } from '../support/test-context.ts';
import { TINY_GUEST_LINES, tinyGuestRequest } from '../support/tiny-guest.ts';
import { describeDriver, greeted } from './describe-driver.ts';

// None where it cannot be had.
const rigs: readonly EsxiRig[] = noRig === undefined ? [await startEsxiRig()] : [];
afterAll(async () => {
  for (const rig of rigs) await rig[Symbol.asyncDispose]();
});

describe.skipIf(noRig !== undefined)(`on the commands of an ESXi host over SSH${noRig === undefined ? '' : `: ${noRig}`}`, () => {
  for (const rig of rigs) describeEsxi(rig);
});

function describeEsxi(rig: EsxiRig): void {
  // The tiny guest asks for no address: its tools, which it has not, would tell this one, of the bridge itself.
  const given = { ...rig.options, vmx: { 'kib.tools': '172.31.77.1' } };
  const options = esxi.options.parse(given);

  describeDriver({
    driver: esxi,
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
    secrets: privateLines(rig.keyFile),
  });

  describe('ESXi', () => {
    let dir: string;
    let request: LaunchRequest;
    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'kib-esxi-test-'));
      request = await tinyGuestRequest(join(dir, 'guest.img'));
    });
    afterEach(() => rm(dir, { recursive: true, force: true }));

    it('uploads a base once, and loads the module that reads it where the host has not', async () => {
      rig.shell('rm -rf /vmfs/volumes/datastore1/kib-native/bases');
      await rig.unloadMultiextent();
      const uploads: number[] = [];
      for (let n = 0; n < 2; n++) {
        await using context = await testContext();
        await using machine = await esxi.launch(request, options, context);
        expect(await greeted(machine, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
        uploads.push(context.events.filter((event) => event.type === 'span.note' && event.text.includes('uploading')).length);
      }
      expect(uploads).toEqual([1, 0]);
      expect(rig.named('bases/')).toHaveLength(2);
    });

    it('keeps no base that nobody boots again, nor any with keepBases off', async () => {
      rig.shell('rm -rf /vmfs/volumes/datastore1/kib-native/bases');
      for (const [change, keepBases] of [
        [{ isThrowaway: true }, true],
        [{}, false],
      ] as const) {
        await using context = await testContext();
        const changed = { ...request, base: { ...request.base, ...change } };
        await using machine = await esxi.launch(changed, esxi.options.parse({ ...given, keepBases }), context);
        expect(await greeted(machine, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
      }
      expect(rig.named('bases/')).toEqual([]);
    });

    it('leaves a sealed machine registered that has nothing of the build, once', async () => {
      await using context = await testContext();
      const kept = esxi.options.parse({ ...given, keepAs: 'golden-1', seed: 'cdrom' });
      const machine = await esxi.launch(request, kept, context);
      await greeted(machine, TINY_GUEST_LINES[1]);
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      const disk = await stopped.seal();
      expect(await hasWritten(disk, dir)).toBe(true);
      await stopped[Symbol.asyncDispose]();
      expect(context.journal.held).toEqual([]);
      expect(rig.shell('vim-cmd vmsvc/getallvms')).toMatch(/golden-1 +\[datastore1\] kib-native\/golden-1\/golden-1\.vmx/);
      expect(rig.shell('ls /vmfs/volumes/datastore1/kib-native/golden-1').split('\n').sort().join(' ').trim()).toBe(
        'disk-flat.vmdk disk.vmdk golden-1.vmx',
      );
      const vmx = rig.shell('cat /vmfs/volumes/datastore1/kib-native/golden-1/golden-1.vmx');
      expect(vmx).toContain('scsi0:0.fileName = "disk.vmdk"');
      expect(vmx).not.toMatch(/seed|serial0|sata1|guestinfo/);
      await expect(esxi.launch(request, kept, context)).rejects.toMatchObject({ code: 'KIB_ESXI_NAME_TAKEN' });
      // The verdict boots beside it.
      const verdict = { ...request, base: { ...request.base, isThrowaway: true } };
      await using again = await esxi.launch(verdict, kept, context);
      expect(await greeted(again, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
      rig.shell("vim-cmd vmsvc/unregister $(vim-cmd vmsvc/getallvms | awk '/golden-1/ { print $1 }')");
    });

    it('speaks to commands that HashiCorp Packer builds with, too', async ({ skip }) => {
      if ((await findProgram('packer')) === undefined) skip('packer is not installed: apt-get install packer');
      await using context = await testContext();
      const machine = await esxi.launch(request, esxi.options.parse({ ...given, keepAs: 'for-packer' }), context);
      await greeted(machine, TINY_GUEST_LINES[1]);
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      await stopped.seal();
      await stopped[Symbol.asyncDispose]();
      // Nobody can log in to the tiny guest: it is cloned, registered, started, stopped and kept.
      const builder = { source_path: 'kib-native/for-packer/for-packer.vmx', vm_name: 'packed', output_directory: 'packed' };
      const said = await packerBuildOnEsxi(rig, { ...builder, communicator: 'none' }, undefined, dir);
      expect(said).toContain('VM files in directory: /vmfs/volumes/datastore1/packed');
      expect(rig.shell('vim-cmd vmsvc/getallvms')).toMatch(/\[datastore1\] packed\/packed\.vmx/);
      expect(rig.shell('cat /vmfs/volumes/datastore1/packed/disk.vmdk')).toContain('createType="vmfs"');
    });

    it('leads to a guest’s port through the login, and with reach direct to its address', async () => {
      await using context = await testContext();
      await using machine = await esxi.launch(request, options, context);
      const server = `require('node:net').createServer((socket) => socket.end('SSH-2.0-guest\\n')).listen(22, '172.31.77.1')`;
      const [program = '', ...args] = rig.within([process.execPath, '-e', server]);
      const listener = spawn(program, args, { stdio: 'ignore' });
      try {
        const endpoint = await machine.endpoint(context.signal);
        await expect.poll(() => greeting(endpoint), { timeout: 10_000 }).toBe('SSH-2.0-guest\n');
      } finally {
        listener.kill();
      }
      await using direct = await esxi.launch(request, esxi.options.parse({ ...given, reach: 'direct' }), context);
      expect(await direct.endpoint(context.signal)).toEqual({ host: '172.31.77.1', port: 22 });
    });

    it('goes on after the connection was lost', async () => {
      await using context = await testContext();
      await using machine = await esxi.launch(request, options, context);
      const before = rig.connections();
      rig.drop();
      expect(await greeted(machine, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
      const stopped = await machine.shutdown({ graceMs: 20_000, signal: context.signal });
      await stopped[Symbol.asyncDispose]();
      expect(rig.connections()).toBeGreaterThan(before);
      expect(rig.named(context.buildId)).toEqual([]);
    });

    it('knows no address without tools while GuestIPHack is off, and doctor warns', async () => {
      await rig.setGuestIpHack(false);
      try {
        await using context = await testContext();
        const impatient = esxi.options.parse({ ...rig.options, addressSeconds: 1 });
        await using machine = await esxi.launch(request, impatient, context);
        await expect(machine.endpoint(context.signal)).rejects.toMatchObject({
          code: 'KIB_ESXI_ADDRESS',
          hint: expect.stringContaining('GuestIPHack') as string,
        });
        const findings = await esxi.doctor(impatient, request.machine, context.signal);
        expect(findings.filter(({ status }) => status !== 'ok').map(({ name }) => name)).toEqual(['guest addresses']);
      } finally {
        await rig.setGuestIpHack(true);
      }
    });

    it('leaves after kill -9 what gc finds and removes', async () => {
      const build = `killed-${process.pid}`;
      const said = await collectAfterKill(esxi, { dir, build, options: given }, (machine) => {
        expect(qemuOf(machine)).toHaveLength(1);
      });
      expect(said).toEqual([`${build} running`, `${build} collected`, `${build} clean`]);
      expect(rig.named(build)).toEqual([]);
      expect(processesWith(build)).toEqual([]);
      expect(filesBelow(join(dir, 'work'))).toEqual([]);
    });

    it('finds what a datastore with a space in its name has', async () => {
      await using context = await testContext();
      const spaced = esxi.options.parse({ ...given, datastore: 'with space', remoteFolder: 'builds/kib', seed: 'guestinfo' });
      const machine = await esxi.launch(request, spaced, context);
      expect(await greeted(machine, TINY_GUEST_LINES[1])).toBe(TINY_GUEST_LINES[1]);
      await machine[Symbol.asyncDispose]();
      expect(rig.named(context.buildId)).toEqual([]);
    });

    const failures = [
      ['stranger', {}, 'KIB_HOST_AUTH', 'refused the login of root'],
      [{ keyFile: '/no/such/key' }, {}, 'KIB_HOST_AUTH', 'cannot be read'],
      [{ keyFile: undefined, password: { env: 'KIB_TEST_NO_SUCH' } }, {}, 'KIB_SECRET_MISSING', 'KIB_TEST_NO_SUCH is not set'],
      [{ hostKey: generateKeyPair('other').publicKey }, {}, 'KIB_HOST_KEY', ''],
      [{ port: 1 }, {}, 'KIB_HOST_UNREACHABLE', 'ECONNREFUSED'],
      [{ datastore: 'nowhere' }, {}, 'KIB_ESXI_DATASTORE', 'has no datastore nowhere'],
      [{ datastore: 'asleep' }, {}, 'KIB_ESXI_DATASTORE', 'is not mounted'],
      [{ datastore: 'small' }, {}, 'KIB_ESXI_FULL', 'are needed'],
      [{ network: 'DMZ' }, {}, 'KIB_ESXI_NETWORK', 'has a port group DMZ'],
      [{ vmx: { firmware: 'coreboot' } }, {}, 'KIB_ESXI_POWER', "Module 'FirmwareManager' power on failed."],
      [{}, { machine: { diskBytes: 512 } }, 'KIB_DRIVER_CANNOT', 'but the base already has 1.0 MiB'],
      [{}, { path: '/no/such/base' }, 'KIB_DRIVER_CANNOT', 'No such file'],
    ] as const;

    it.for(failures)('fails with %o %o as %s: %s', async ([change, what, code, message]) => {
      await writeFile(join(dir, 'stranger'), generateKeyPair('stranger').privateKey, { mode: 0o600 });
      await using context = await testContext();
      const changed = change === 'stranger' ? { keyFile: join(dir, 'stranger') } : change;
      const wrong = {
        ...request,
        machine: { ...request.machine, ...('machine' in what ? what.machine : {}) },
        base: { ...request.base, ...('path' in what ? { path: what.path } : {}) },
      };
      const launching = esxi.launch(wrong, esxi.options.parse({ ...given, ...changed }), context);
      await expect(launching).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
      expect(context.journal.held).toEqual([]);
      expect(filesBelow(context.dirs.work)).toEqual([]);
      expect(rig.named(context.buildId)).toEqual([]);
      expect(context.events.map((event) => JSON.stringify(event)).join()).not.toContain('PRIVATE KEY');
    });
  });
}

/** QEMU of a machine: its serial port's file is in the machine's folder. */
function qemuOf({ id }: { readonly id: string }): readonly string[] {
  return processesWith(`${id.split(' ').at(-1)}/console.log`);
}
