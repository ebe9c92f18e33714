import type { Arch } from '../../core/index.ts';
import { PARTITION_TYPES } from '../../io/disk/gpt.ts';

/** Changes whenever the same packages would make another image; part of the key of every base. */
export const IMAGE_FORMAT = 2;

/** What differs between architectures. */
export interface ArchFacts {
  readonly rootType: string;
  /** Suffix of the kernel packages `linux-image-…` and `linux-image-cloud-…`. */
  readonly kernel: string;
  /** Packages that bring GRUB for every firmware and keep it up to date in the guest. */
  readonly bootPackages: readonly string[];
  readonly console: string;
  /** Files of the EFI system partition → where the packages put them; the loader signed for Secure Boot. */
  readonly efi: Readonly<Record<string, string>>;
  /** GRUB platforms whose modules lie in /boot/grub. */
  readonly grubPlatforms: readonly string[];
}

export const ARCHS: Readonly<Record<Arch, ArchFacts>> = {
  amd64: {
    rootType: PARTITION_TYPES.rootAmd64,
    kernel: 'amd64',
    bootPackages: ['grub-cloud-amd64'],
    console: 'ttyS0,115200',
    efi: {
      'EFI/BOOT/BOOTX64.EFI': '/usr/lib/shim/shimx64.efi.signed',
      'EFI/BOOT/grubx64.efi': '/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed',
      'EFI/BOOT/mmx64.efi': '/usr/lib/shim/mmx64.efi.signed',
    },
    grubPlatforms: ['i386-pc', 'x86_64-efi'],
  },
  arm64: {
    rootType: PARTITION_TYPES.rootArm64,
    kernel: 'arm64',
    bootPackages: ['grub-efi-arm64', 'grub-efi-arm64-signed', 'shim-signed'],
    console: 'ttyAMA0',
    efi: {
      'EFI/BOOT/BOOTAA64.EFI': '/usr/lib/shim/shimaa64.efi.signed',
      'EFI/BOOT/grubaa64.efi': '/usr/lib/grub/arm64-efi-signed/grubaa64.efi.signed',
      'EFI/BOOT/mmaa64.efi': '/usr/lib/shim/mmaa64.efi.signed',
    },
    grubPlatforms: ['arm64-efi'],
  },
};

/** Releases up to Debian 12. */
const OLDER_SUITES = ['buster', 'bullseye', 'bookworm'];

/**
 * Debian's kernel for clouds is a third of the size and boots faster. Up to bookworm (Linux 6.1) it lacks AHCI and PVSCSI, the disk controllers
 * of VMware (CONFIG_SATA_AHCI and CONFIG_VMWARE_PVSCSI of the packages).
 */
export function kernelPackage(suite: string, arch: Arch): string {
  return `linux-image-${OLDER_SUITES.includes(suite) ? '' : 'cloud-'}${ARCHS[arch].kernel}`;
}

/** Everything that is asked for by name; dependencies come with it, recommended packages do not. */
export function imagePackages(suite: string, arch: Arch, extra: readonly string[]): readonly string[] {
  return [
    ['systemd-sysv', 'libpam-systemd', 'dbus', 'udev', 'kmod', 'procps', 'apparmor'],
    // cloud-init writes for systemd-networkd itself; netplan in between costs a Python start and a reload of systemd at each boot.
    ['systemd-resolved', 'systemd-timesyncd', 'iproute2', 'iputils-ping', 'ca-certificates'],
    ['cloud-init', 'cloud-guest-utils', 'openssh-server', 'sudo'],
    ['e2fsprogs', 'dosfstools', 'fdisk', 'tzdata', 'less', 'vim-tiny', 'bash-completion'],
    // Hardening and unprivileged ping, which older releases set in systemd itself.
    OLDER_SUITES.includes(suite) ? [] : ['linux-sysctl-defaults'],
    [kernelPackage(suite, arch), 'initramfs-tools', 'zstd', 'efibootmgr', ...ARCHS[arch].bootPackages],
    [...extra].sort(),
  ].flat();
}

/** Units that packages enable and that a machine image is better without; each can be enabled again in the guest. */
const DISABLED_UNITS: Readonly<Record<string, string>> = {
  // Would take the lock of apt at a random moment, for lists that nothing unattended uses.
  'apt-daily.timer': 'timers.target',
  'apt-daily-upgrade.timer': 'timers.target',
  'man-db.timer': 'timers.target',
  // Checks LVM snapshots, which the image has none of.
  'e2scrub_all.timer': 'timers.target',
  'e2scrub_reap.service': 'multi-user.target',
  // Serves a boot counter that Debian's menu does not use.
  'grub-common.service': 'multi-user.target',
};

/** What the image is told apart by; derived from its key, so that equal inputs give equal bytes. */
export interface ImageIds {
  readonly disk: string;
  readonly rootPartition: string;
  readonly espPartition: string;
  readonly biosPartition: string;
  readonly root: string;
  readonly rootHashSeed: string;
  /** FAT serial number, 8 hex digits. */
  readonly esp: string;
}

export interface FilesRequest {
  readonly arch: Arch;
  readonly ids: ImageIds;
  /** Version of the newest kernel: `6.12.117+deb13-cloud-amd64`. */
  readonly kernel: string;
  /** Text of debian.sources. */
  readonly sources: string;
}

/** Files of ours in the image: path → text. */
export function imageFiles(request: FilesRequest): Readonly<Record<string, string>> {
  const { arch, ids } = request;
  const serial = `${ids.esp.slice(0, 4)}-${ids.esp.slice(4)}`.toUpperCase();
  const commandLine = `console=tty0 console=${ARCHS[arch].console}`;
  return {
    '/etc/fstab': [
      `UUID=${ids.root} / ext4 rw,discard,errors=remount-ro 0 1`,
      `UUID=${serial} /boot/efi vfat umask=0077 0 0`,
      '',
    ].join('\n'),
    '/etc/hostname': 'localhost\n',
    '/etc/hosts': '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n',
    '/etc/machine-id': '',
    '/etc/locale.conf': 'LANG=C.UTF-8\n',
    '/etc/apt/sources.list.d/debian.sources': request.sources,
    // For a boot without cloud-init, whose own files sort before it. No card is waited for that nobody configured, and no link of a container.
    '/etc/systemd/network/90-default.network': [
      ['[Match]', 'Type=ether', 'Name=eno* enp* ens* enx* eth*', ''],
      ['[Link]', 'RequiredForOnline=no', ''],
      ['[Network]', 'DHCP=yes', ''],
    ]
      .flat()
      .join('\n'),
    '/etc/cloud/cloud.cfg.d/95_image.cfg': [
      'datasource_list: [NoCloud, ConfigDrive, VMware, OVF, Ec2, GCE, None]',
      '# The sources are those that the image was made from.',
      'apt: {preserve_sources_list: true}',
      '# sudo looks its own host name up.',
      'manage_etc_hosts: localhost',
      '',
    ].join('\n'),
    '/etc/default/grub.d/10_image.cfg': [
      'GRUB_TIMEOUT=0',
      'GRUB_TERMINAL="console serial"',
      'GRUB_SERIAL_COMMAND="serial --speed=115200"',
      `GRUB_CMDLINE_LINUX="${commandLine}"`,
      '',
    ].join('\n'),
    // Lets grub-cloud install new versions of the loader, which it does in images only.
    '/etc/grub.d/enable_cloud': '',
    '/boot/grub/grub.cfg': grubMenu(request.kernel, ids.root, commandLine),
    // Nothing in /etc and /var is older than /usr: systemd need not rebuild its caches at the first boot (systemd.unit(5), ConditionNeedsUpdate).
    '/etc/.updated': '',
    '/var/.updated': '',
  };
}

/** GRUB's menu until the first update-grub, which each new kernel runs, writes its own in its place. */
export function grubMenu(kernel: string, rootUuid: string, commandLine: string): string {
  return [
    '# Written when the image was made; update-grub replaces it.',
    'serial --speed=115200',
    'terminal_input console serial',
    'terminal_output console serial',
    'set timeout=0',
    `search --no-floppy --fs-uuid --set=root ${rootUuid}`,
    "menuentry 'Debian GNU/Linux' {",
    `  linux /boot/vmlinuz-${kernel} root=UUID=${rootUuid} ro ${commandLine}`,
    `  initrd /boot/initrd.img-${kernel}`,
    '}',
    '',
  ].join('\n');
}

/** What the signed GRUB reads from the EFI system partition, where it was built to look: EFI/debian/grub.cfg. */
export function espGrubConfig(rootUuid: string): string {
  return `search.fs_uuid ${rootUuid} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n`;
}

/** Folders of the packages' own disabled units, as the tree names them. */
export function disabledUnitLinks(): readonly string[] {
  return Object.entries(DISABLED_UNITS).map(([unit, target]) => `/etc/systemd/system/${target}.wants/${unit}`);
}
