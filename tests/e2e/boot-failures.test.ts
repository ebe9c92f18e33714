import { existsSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Firmware, KibError } from '../../src/core/index.ts';
import { waitForGuest } from '../../src/engine/boot-wait.ts';
import { generateKeyPair } from '../../src/transport/keys.ts';
import { changedBase, launch, readBaseFile, SHARED_CACHE, testBase } from '../support/boot-base.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

let files: TestContext;
let base: string;
let context: TestContext;
beforeAll(async () => {
  files = await testContext({ cache: SHARED_CACHE });
  base = await testBase(files);
});
afterAll(() => files[Symbol.asyncDispose]());
beforeEach(async () => {
  context = await testContext();
});
afterEach(() => context[Symbol.asyncDispose]());

/** Boots a disk that cannot come up; how it was told, and after how many seconds. */
async function failToBoot(
  disk: string,
  firmware: Firmware = 'bios',
): Promise<{ readonly error: KibError; readonly seconds: number }> {
  const { machine, credentials } = await launch(disk, 'raw', context, firmware);
  const started = Date.now();
  const error = await waitForGuest(machine, credentials, context).then(
    () => Promise.reject(new Error('the machine came up')),
    (failure: KibError) => failure,
  );
  const seconds = (Date.now() - started) / 1000;
  console.log(`${error.code} after ${seconds.toFixed(1)} s: ${error.message.split('\n')[0]}`);
  expect(error.message).toContain('last console lines:');
  expect((error.details['console'] as readonly string[]).length).toBeGreaterThan(0);
  expect(error.hint).toBeTruthy();
  expect(existsSync(error.details['screenshot'] as string)).toBe(true);
  return { error, seconds };
}

const variant = (name: string, commands: readonly string[], extra: Readonly<Record<string, string>> = {}) =>
  changedBase(base, files.root, name, commands, extra);

const REPLACE_GRUB_CFG = ['cd /boot/grub', 'rm grub.cfg', 'write grub.cfg grub.cfg'];
/** The base's boot configuration, with a root partition that is not there. */
const wrongRoot = async () =>
  (await readBaseFile(base, files.root, '/boot/grub/grub.cfg')).replace(/root=\S+ ro/, 'root=/dev/vda9 ro');

describe('a machine that cannot come up says why, long before a deadline', () => {
  it.each(['bios', 'uefi'] as const)('an empty disk under %s', async (firmware) => {
    const disk = join(files.root, 'zeros.raw');
    await writeFile(disk, '');
    await truncate(disk, 64 * 1024 * 1024);
    const { error, seconds } = await failToBoot(disk, firmware);
    expect(error.code).toBe('KIB_BOOT_NO_DEVICE');
    expect(seconds).toBeLessThan(60);
  });

  it('a kernel that cannot mount its root file system', async () => {
    const disk = await variant('panic', REPLACE_GRUB_CFG, { 'grub.cfg': (await wrongRoot()).replace(/^\s*initrd .*\n/gm, '') });
    const { error, seconds } = await failToBoot(disk);
    expect(error.code).toBe('KIB_BOOT_PANIC');
    expect(error.message).toContain('Unable to mount root fs');
    expect(seconds).toBeLessThan(120);
  });

  it('an initramfs that does not find the root file system', async () => {
    const disk = await variant('no-root', REPLACE_GRUB_CFG, { 'grub.cfg': await wrongRoot() });
    expect((await failToBoot(disk)).error.code).toBe('KIB_BOOT_EMERGENCY');
  });

  it('a boot loader without its files', async () => {
    const { error } = await failToBoot(await variant('no-kernel', ['rm /boot/grub/grub.cfg']), 'uefi');
    expect(error.code).toBe('KIB_BOOT_LOADER');
  });

  it('a system without SSH server', async () => {
    const { error } = await failToBoot(await variant('no-sshd', ['rm /usr/sbin/sshd']));
    expect(error.code).toBe('KIB_BOOT_NO_SSHD');
  });

  it('a system whose cloud-init ignores the seed and makes host keys of its own', async () => {
    const commands = ['cd /etc/cloud/cloud.cfg.d', 'write none.cfg 99-none.cfg'];
    const disk = await variant('no-datasource', commands, { 'none.cfg': 'datasource_list: [None]\n' });
    const { error } = await failToBoot(disk);
    expect(error.code).toBe('KIB_SEED_IGNORED');
  });

  it('a system that does not run cloud-init', async () => {
    const host = generateKeyPair('root@base');
    const commands = [
      'cd /etc/cloud',
      'write empty cloud-init.disabled',
      'cd /etc/ssh',
      'write host ssh_host_ed25519_key',
      'set_inode_field ssh_host_ed25519_key mode 0100600',
    ];
    const network = ['cd /etc/systemd/network', 'write dhcp.network 50-dhcp.network'];
    const extra = { empty: '', host: host.privateKey, 'dhcp.network': '[Match]\nName=e*\n[Network]\nDHCP=yes\n' };
    const { error } = await failToBoot(await variant('no-cloud-init', [...commands, ...network], extra));
    expect(error.code).toBe('KIB_SEED_IGNORED');
    expect(error.message).toContain('cloud-init did not run');
  });
});
