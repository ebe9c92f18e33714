import type { HostPackages } from '../core/index.ts';

/** Host programs by the packages that hold them; what `doctor` looks for and `doctor --install` installs. */
export const TOOLS = {
  'qemu-img': { apt: ['qemu-utils'], dnf: ['qemu-img'], brew: ['qemu'] },
  'qemu-nbd': { apt: ['qemu-utils'], dnf: ['qemu-img'], brew: ['qemu'] },
  'qemu-system-x86_64': { apt: ['qemu-system-x86'], dnf: ['qemu-system-x86-core'], brew: ['qemu'] },
  'qemu-system-aarch64': { apt: ['qemu-system-arm'], dnf: ['qemu-system-aarch64-core'], brew: ['qemu'] },
  swtpm: { apt: ['swtpm'], dnf: ['swtpm'], brew: ['swtpm'] },
  zstd: { apt: ['zstd'], dnf: ['zstd'], brew: ['zstd'] },
  xorriso: { apt: ['xorriso'], dnf: ['xorriso'], brew: ['xorriso'] },
  virsh: { apt: ['libvirt-clients'], dnf: ['libvirt-client'], brew: ['libvirt'] },
  ps: { apt: ['procps'], dnf: ['procps-ng'] },
  ssh: { apt: ['openssh-client'], dnf: ['openssh-clients'] },
  gpgv: { apt: ['gpgv'], dnf: ['gnupg2'], brew: ['gnupg'] },
  mmdebstrap: { apt: ['mmdebstrap'], dnf: ['mmdebstrap'] },
  'apt-get': { apt: ['apt'], dnf: ['apt'] },
  newuidmap: { apt: ['uidmap'], dnf: ['shadow-utils'] },
  setpriv: { apt: ['util-linux'], dnf: ['util-linux'] },
  unshare: { apt: ['util-linux'], dnf: ['util-linux'] },
  timeout: { apt: ['coreutils'], dnf: ['coreutils'] },
  sfdisk: { apt: ['fdisk'], dnf: ['util-linux'] },
  mke2fs: { apt: ['e2fsprogs'], dnf: ['e2fsprogs'] },
  e2fsck: { apt: ['e2fsprogs'], dnf: ['e2fsprogs'], brew: ['e2fsprogs'] },
  debugfs: { apt: ['e2fsprogs'], dnf: ['e2fsprogs'], brew: ['e2fsprogs'] },
  'mkfs.vfat': { apt: ['dosfstools'], dnf: ['dosfstools'] },
  mmd: { apt: ['mtools'], dnf: ['mtools'] },
  mcopy: { apt: ['mtools'], dnf: ['mtools'] },
  'grub-mkimage': { apt: ['grub-common'], dnf: ['grub2-tools'] },
  'grub-fstest': { apt: ['grub-common'], dnf: ['grub2-tools-extra'] },
} as const satisfies Record<string, HostPackages>;

export type Tool = keyof typeof TOOLS;
