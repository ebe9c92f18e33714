import { describe, expect, it } from 'vitest';
import { imageIds } from '../../../../src/engine/base/base-key.ts';
import { diskLayout } from '../../../../src/engine/base/debian-disk.ts';
import { espGrubConfig, grubMenu, imageFiles, imagePackages, kernelPackage } from '../../../../src/engine/base/debian-image.ts';

const ids = imageIds('key');

describe('the kernel', () => {
  it('is the one for clouds where that drives the disks of VMware', () => {
    expect(kernelPackage('trixie', 'amd64')).toBe('linux-image-cloud-amd64');
    expect(kernelPackage('sid', 'arm64')).toBe('linux-image-cloud-arm64');
    expect(kernelPackage('bookworm', 'amd64')).toBe('linux-image-amd64');
  });
});

describe('the packages', () => {
  it('make a guest that boots, grows, is reached and keeps its loader up to date', () => {
    expect(imagePackages('trixie', 'amd64', [])).toEqual(
      expect.arrayContaining(['systemd-sysv', 'cloud-init', 'cloud-guest-utils', 'openssh-server', 'sudo', 'grub-cloud-amd64']),
    );
  });

  it('include the user’s, and no agent of a hypervisor', () => {
    expect(imagePackages('trixie', 'amd64', ['jq'])).toContain('jq');
    expect(imagePackages('trixie', 'amd64', [])).not.toContain('qemu-guest-agent');
  });

  it('name none that an older release does not have', () => {
    expect(imagePackages('bookworm', 'amd64', [])).not.toContain('linux-sysctl-defaults');
  });
});

describe('the files', () => {
  const files = imageFiles({ arch: 'amd64', ids, kernel: '6.12', sources: 'Types: deb\n' });

  it('mount by identifiers that the disk has', () => {
    expect(files['/etc/fstab']).toContain(`UUID=${ids.root} / ext4`);
    const serial = `${ids.esp.slice(0, 4)}-${ids.esp.slice(4)}`.toUpperCase();
    expect(files['/etc/fstab']).toContain(`UUID=${serial} /boot/efi vfat`);
  });

  it('give a shell and a kernel a serial console, before and after update-grub', () => {
    expect(files['/boot/grub/grub.cfg']).toContain('console=tty0 console=ttyS0,115200');
    expect(files['/etc/default/grub.d/10_image.cfg']).toContain('console=tty0 console=ttyS0,115200');
  });

  it('leave the machine id to the machine', () => {
    expect(files['/etc/machine-id']).toBe('');
  });
});

describe('the boot menu', () => {
  it('finds root by its identifier and boots at once', () => {
    const menu = grubMenu('6.12', ids.root, 'console=ttyS0');
    expect(menu).toContain(`search --no-floppy --fs-uuid --set=root ${ids.root}`);
    expect(menu).toContain(`linux /boot/vmlinuz-6.12 root=UUID=${ids.root} ro console=ttyS0\n`);
    expect(menu).toContain('initrd /boot/initrd.img-6.12\n');
    expect(menu).toContain('set timeout=0\n');
  });

  it('is found from the EFI system partition', () => {
    expect(espGrubConfig(ids.root)).toContain(`search.fs_uuid ${ids.root} root`);
  });
});

describe('the disk', () => {
  it('is laid out like the official images', () => {
    const { bytes, root, esp, bios } = diskLayout('amd64', ids, 500e6);
    expect(bytes).toBe(3 * 2 ** 30);
    expect([root.number, bios?.number, esp.number]).toEqual([1, 14, 15]);
    expect([root.firstSector, bios?.firstSector, esp.firstSector]).toEqual([262_144, 2048, 8192]);
    expect((root.firstSector + root.sectors) * 512).toBe(bytes - 2 ** 20);
    expect((bios?.firstSector ?? 0) + (bios?.sectors ?? 0)).toBeLessThanOrEqual(esp.firstSector);
    expect(esp.firstSector + esp.sectors).toBeLessThanOrEqual(root.firstSector);
  });

  it('grows with its content, by whole gibibytes', () => {
    expect(diskLayout('amd64', ids, 5e9).bytes).toBe(8 * 2 ** 30);
  });

  it('has no BIOS boot partition where there is no BIOS', () => {
    expect(diskLayout('arm64', ids, 5e8).bios).toBeUndefined();
  });
});
