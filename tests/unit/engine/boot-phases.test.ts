import { describe, expect, it } from 'vitest';
import { type BootState, observe, POWER_ON } from '../../../src/engine/boot-phases.ts';

const watch = (...lines: readonly string[]): BootState => lines.reduce(observe, POWER_ON);
const phases = (...lines: readonly string[]) => lines.map((_, index) => watch(...lines.slice(0, index + 1)).phase);

describe('the phases of a boot', () => {
  it('Debian 13 under SeaBIOS', () => {
    expect(
      phases(
        'SeaBIOS (version 1.16.2-debian-1.16.2-1)',
        'iPXE (http://ipxe.org) 00:03.0 CA00 PCI2.10 PnP PMM+3EFCEE50+3EF0EE50 CA00',
        'Booting from Hard Disk...',
        'GRUB loading...',
        '[    0.000000] Linux version 6.12.117+deb13-cloud-amd64 (debian-kernel@lists.debian.org)',
        '[    2.830965] Run /init as init process',
        'Loading, please wait...',
        'Begin: Running /scripts/init-premount ... done.',
        '[    5.518568] systemd[1]: systemd 257.13-1~deb13u1 running in system mode (+PAM +AUDIT)',
        '[  OK  ] Created slice user.slice - User and Session Slice.',
        '         Starting cloud-init-main.service - Cloud-init: Single Process...',
        '[  OK  ] Finished cloud-init-network.service - Cloud-init: Network Stage.',
        '[  OK  ] Started ssh.service - OpenBSD Secure Shell server.',
        '[  OK  ] Reached target multi-user.target - Multi-User System.',
      ),
    ).toEqual([
      'firmware',
      'firmware',
      'bootloader',
      'bootloader',
      'kernel',
      'kernel',
      'kernel',
      'kernel',
      'systemd',
      'systemd',
      'cloud-init',
      'cloud-init',
      'sshd',
      'sshd',
    ]);
  });

  it('OVMF, which tries an optical drive first', () => {
    const lines = [
      'BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM QM00011 " from PciRoot(0x0)/Pci(0x1F,0x2)/Sata(0x5,0xFFFF,0x0): Not Found',
      'BdsDxe: loading Boot0002 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x0)',
      'BdsDxe: starting Boot0002 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x0)',
    ];
    expect(watch(lines[0] ?? '').failure?.code).toBe('KIB_BOOT_NO_DEVICE');
    expect(watch(...lines)).toMatchObject({ phase: 'bootloader', failure: undefined });
  });

  it.each([
    ['Debian 12', 'debian login:'],
    ['Ubuntu 24.04', 'ubuntu login: '],
    ['Rocky Linux 10', 'kib-build login:'],
  ])('knows the login prompt of %s', (_, line) => expect(watch(line).up).toBe('prompt'));

  it.each([
    'Last login: Fri Nov 20 from 10.0.2.2',
    '[  OK  ] Started systemd-logind.service - User Login Management.',
    'cloud-init[512]: no login: here',
  ])('is not taken in by "%s"', (line) => expect(watch(line).up).toBe('no'));

  it.each([
    ['Debian 13', '[  OK  ] Finished cloud-final.service - Cloud-init: Final Stage.'],
    ['Debian 12', '[  OK  ] Finished Execute cloud user/final scripts.'],
    ['Ubuntu 24.04', '[  OK  ] Reached target cloud-init.target - Cloud-init target.'],
    ['Rocky Linux 9', '[   14.6] cloud-init[1201]: Cloud-init v. 23.4 finished at Fri, 20 Nov 2026 02:57:15 +0000.'],
  ])('knows the end of cloud-init on %s', (_, line) => expect(watch(line).cloudInit).toBe('finished'));

  it('knows multi-user in old and new words', () => {
    expect(watch('[  OK  ] Reached target Multi-User System.').up).toBe('multi-user');
    expect(watch('[  OK  ] Reached target multi-user.target - Multi-User System.').up).toBe('multi-user');
  });

  it('never falls back a phase for a late message', () => {
    expect(watch('[  OK  ] Started sshd.service - OpenSSH server daemon.', '[   30.123456] eth0: link up').phase).toBe('sshd');
  });

  it('does not take systemd’s own vsock SSH socket for a server', () => {
    expect(watch('[  OK  ] Listening on sshd-unix-local.socket (systemd-ssh-generator, AF_UNIX Local).').phase).toBe('systemd');
  });

  it('counts restarts and begins anew', () => {
    const state = watch('[  OK  ] Reached target multi-user.target - Multi-User System.', '[    0.000000] Linux version 6.12');
    expect(state).toMatchObject({ phase: 'kernel', up: 'no', restarts: 1 });
    expect(watch('[    1.000000] x', 'SeaBIOS (version 1.16.2)')).toMatchObject({ phase: 'firmware', restarts: 1 });
  });

  it('remembers failed units', () => {
    expect(watch('[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.').remarks).toEqual([
      '[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.',
    ]);
  });
});

describe('failures the console names', () => {
  it.each([
    ['KIB_BOOT_NO_DEVICE', 'No bootable device.'],
    ['KIB_BOOT_NO_DEVICE', 'BdsDxe: No bootable option or device was found.'],
    ['KIB_BOOT_NO_DEVICE', 'UEFI Interactive Shell v2.2'],
    ['KIB_BOOT_NO_DEVICE', '>>Start PXE over IPv4.'],
    ['KIB_BOOT_NO_DEVICE', 'Boot failed: not a bootable disk'],
    ['KIB_BOOT_LOADER', 'grub rescue>'],
    ['KIB_BOOT_LOADER', 'grub>'],
    ['KIB_BOOT_PANIC', '[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)'],
    ['KIB_BOOT_PANIC', '[    1.234567] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00'],
    ['KIB_BOOT_CPU', 'Fatal glibc error: CPU does not support x86-64-v3'],
    ['KIB_BOOT_CPU', '/sbin/init: CPU ISA level is lower than required'],
    ['KIB_BOOT_EMERGENCY', 'You are in emergency mode. After logging in, type "journalctl -xb" to view'],
    ['KIB_BOOT_EMERGENCY', 'ALERT!  LABEL=root does not exist.  Dropping to a shell!'],
    ['KIB_BOOT_EMERGENCY', '(initramfs)'],
    ['KIB_SEED_IGNORED', 'ci-info: Datasource DataSourceNone.  Up 12.34 seconds'],
  ])('%s: %s', (code, line) => expect(watch(line).failure?.code).toBe(code));

  it.each([
    'SeaBIOS (version 1.16.2-debian-1.16.2-1)',
    'Booting from Hard Disk...',
    'BdsDxe: starting Boot0002 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x0)',
    '[    0.000000] Command line: root=LABEL=root ro panic=30',
    '[  OK  ] Reached target rescue.target - Rescue Mode (never mind).',
    'error: no suitable video mode found.',
  ])('nothing: %s', (line) => expect(watch(line).failure).toBeUndefined());

  it('keeps the cause when its consequence follows', () => {
    const state = watch(
      'Fatal glibc error: CPU does not support x86-64-v3',
      '[    1.234567] Kernel panic - not syncing: Attempted to kill init!',
    );
    expect(state.failure?.code).toBe('KIB_BOOT_CPU');
  });

  it('prefers a final word to a passing one', () => {
    expect(watch('Boot failed: not a bootable disk', 'No bootable device.').failure?.graceMs).toBe(0);
    expect(watch('No bootable device.', 'Boot failed: not a bootable disk').failure?.graceMs).toBe(0);
  });
});
