import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { libvirt } from '../../drivers/libvirt/driver.ts';
import { generateKeyPair } from '../../src/transport/keys.ts';
import { filesBelow } from '../support/leftovers.ts';
import { onLibvirtRig } from '../support/libvirt/on-rig.ts';
import { testContext } from '../support/test-context.ts';
import { tinyGuestRequest } from '../support/tiny-guest.ts';

await onLibvirtRig((rig) => {
  describe('a launch on libvirt', () => {
    const stranger = generateKeyPair('stranger');
    const failures = [
      [{ keyFile: 'stranger' }, {}, 'KIB_HOST_AUTH', 'refused the login of root'],
      [{ keyFile: '/no/such/key' }, {}, 'KIB_HOST_AUTH', 'the private key cannot be read'],
      [{ hostKey: stranger.publicKey }, {}, 'KIB_HOST_KEY', 'should show host key'],
      [{ hostKey: undefined, knownHosts: '/dev/null' }, {}, 'KIB_HOST_KEY', 'has no key of 127.0.0.1'],
      [{ uri: 'qemu+ssh://root@127.0.0.1:1/system' }, {}, 'KIB_HOST_UNREACHABLE', 'ECONNREFUSED'],
      [{ uri: 'qemu:///system?socket=/no/such/socket' }, {}, 'KIB_LIBVIRT_CONNECT', 'No such file'],
      [{ network: 'nowhere' }, {}, 'KIB_LIBVIRT_NETWORK', 'has no network nowhere'],
      [{ network: 'idle' }, {}, 'KIB_LIBVIRT_NETWORK', 'network idle of root@127.0.0.1 is not active'],
      [{ bridge: 'nobridge0' }, {}, 'KIB_LIBVIRT', 'nobridge0'],
      [{ pool: 'nowhere' }, {}, 'KIB_LIBVIRT_POOL', 'has no storage pool nowhere'],
      [{ pool: 'idle' }, {}, 'KIB_LIBVIRT_POOL', 'is inactive'],
      [{ pool: 'small' }, { base: 'large.img' }, 'KIB_LIBVIRT_POOL_FULL', 'storage pool small'],
      [{ pool: 'crowded' }, { base: 'large.img' }, 'KIB_LIBVIRT_POOL_FULL', 'No space left on device'],
      [{ cpuModel: 'Cray-1' }, {}, 'KIB_LIBVIRT', 'Cray-1'],
      [{ machineType: 'q36' }, {}, 'KIB_LIBVIRT', 'virsh define failed on root@127.0.0.1'],
      [{}, { machine: { diskBytes: 512 } }, 'KIB_DRIVER_CANNOT', 'wanted a disk of 512 B'],
      [{}, { base: '/no/such/base' }, 'KIB_DRIVER_CANNOT', 'No such file'],
      [{}, { machine: { arch: 'arm64' } }, 'KIB_DRIVER_CANNOT', 'no BIOS for arm64'],
    ] as const;

    it.for(failures)('fails with %o %o as %s: %s', async ([given, change, code, message]) => {
      await using context = await testContext();
      const dir = context.root;
      const request = await tinyGuestRequest(join(dir, 'guest.img'));
      await writeFile(join(dir, 'stranger'), stranger.privateKey);
      await writeFile(join(dir, 'large.img'), Buffer.alloc(4 * 1024 * 1024, context.buildId));
      const keyFile = 'keyFile' in given && given.keyFile === 'stranger' ? { keyFile: join(dir, 'stranger') } : {};
      const wrong = {
        ...request,
        machine: { ...request.machine, ...('machine' in change ? change.machine : {}) },
        base: {
          path: join(
            'base' in change ? (change.base.startsWith('/') ? '/' : dir) : dir,
            'base' in change ? change.base : 'guest.img',
          ),
          format: 'raw' as const,
        },
      };
      const parsed = libvirt.options.parse({ ...rig.options, ...given, ...keyFile });
      await expect(libvirt.launch(wrong, parsed, context)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message) as string,
      });
      expect(context.journal.held).toEqual([]);
      expect(filesBelow(context.dirs.work)).toEqual([]);
      expect(rig.named(context.buildId)).toEqual([]);
      expect(context.events.map((event) => JSON.stringify(event)).join()).not.toContain('PRIVATE KEY');
    });
  });
});
