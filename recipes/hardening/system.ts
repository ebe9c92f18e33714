import { sh } from '../../src/core/index.ts';
import { type Control, linux } from './control.ts';
import { modesAre, modulesAreBlocked, rootOnly, sysctlsAre, systemdSetting } from './observe.ts';

function noModule(number: string, name: string, module: string, rest: Partial<Control> = {}): Control {
  return {
    ...linux(number, `${name} cannot be used`, { wants: { blockedModules: [module] }, check: () => modulesAreBlocked([module]) }),
    ...rest,
  };
}

/** Where container images and their snapshots are: their files are theirs. */
const NOT_CONTAINERS = [
  '-path',
  '/var/lib/containerd',
  '-o',
  '-path',
  '/var/lib/containers',
  '-o',
  '-path',
  '/var/lib/kubelet/pods',
];

/** Section 1: file systems and what processes may do. */
export const SYSTEM: readonly Control[] = [
  noModule('1.1.1.1', 'cramfs', 'cramfs'),
  noModule('1.1.1.2', 'freevxfs', 'freevxfs'),
  noModule('1.1.1.3', 'jffs2', 'jffs2'),
  noModule('1.1.1.4', 'hfs', 'hfs'),
  noModule('1.1.1.5', 'hfsplus', 'hfsplus'),
  noModule('1.1.1.6', 'squashfs', 'squashfs', { off: 'snap packages are squashfs, among them the SSM agent on Ubuntu' }),
  noModule('1.1.1.7', 'udf', 'udf', { off: 'clouds hand the first boot its settings on a UDF disk' }),
  linux('1.1.15', 'no device files in shared memory', { check: () => mountHas('nodev') }),
  linux('1.1.16', 'no set-user-id programs in shared memory', { check: () => mountHas('nosuid') }),
  linux('1.1.17', 'no programs in shared memory', {
    wants: {
      actions: () => [
        {
          kind: 'exec',
          title: 'mount /dev/shm noexec',
          // systemd-remount-fs(8) applies fstab's options at every boot.
          script: sh`
            sed -i '/^[^#[:space:]]*[[:space:]][[:space:]]*\/dev\/shm[[:space:]]/d' /etc/fstab
            echo 'tmpfs /dev/shm tmpfs defaults,nosuid,nodev,noexec 0 0' >>/etc/fstab
            mount -o remount,nosuid,nodev,noexec /dev/shm
          `,
          timeoutMs: 60_000,
        },
      ],
    },
    check: () => mountHas('noexec'),
  }),
  linux('1.1.21', 'folders that everybody may write to are sticky', {
    wants: {
      actions: () => [
        {
          kind: 'exec',
          title: 'make folders that everybody may write to sticky',
          script: sh`find / -xdev \( ${NOT_CONTAINERS} \) -prune -o -type d -perm -0002 ! -perm -1000 -exec chmod +t {} +`,
          timeoutMs: 300_000,
        },
      ],
    },
    check: () => sh`find / -xdev \( ${NOT_CONTAINERS} \) -prune -o -type d -perm -0002 ! -perm -1000 -print`,
  }),
  linux('1.1.22', 'nothing is mounted by itself', {
    check: () => sh`if systemctl is-enabled autofs.service 2>/dev/null | grep -qx enabled; then echo 'autofs is enabled'; fi`,
  }),
  noModule('1.1.23', 'USB storage', 'usb-storage'),
  linux('1.4.1', 'only root reads the boot loader’s configuration', {
    wants: { modes: GRUB() },
    check: () => modesAre(GRUB()),
  }),
  linux('1.5.1', 'no core dumps', {
    wants: {
      sysctls: { 'fs.suid_dumpable': '0' },
      actions: () => [
        { kind: 'file', path: '/etc/security/limits.d/10-kib-hardening.conf', text: '* hard core 0\nroot hard core 0\n' },
        {
          kind: 'file',
          path: '/etc/systemd/coredump.conf.d/10-kib-hardening.conf',
          text: '[Coredump]\nStorage=none\nProcessSizeMax=0\n',
        },
      ],
    },
    // What a login gets: su goes through PAM, whose pam_limits reads the file.
    check: () => sh`
      ${sysctlsAre({ 'fs.suid_dumpable': '0' })}
      got=$(su root -s /bin/sh -c 'ulimit -H -c')
      [ "$got" = 0 ] || echo "a login may write core files of $got blocks"
      got=$(${systemdSetting('coredump.conf', 'Storage')})
      [ "$got" = none ] || echo "systemd keeps core files: \${got:-external}"
    `,
  }),
  linux('1.5.3', 'addresses are random', {
    wants: { sysctls: { 'kernel.randomize_va_space': '2' } },
    check: () => sysctlsAre({ 'kernel.randomize_va_space': '2' }),
  }),
];

function mountHas(option: string) {
  return sh`
    options=$(findmnt --noheadings --output OPTIONS --target /dev/shm)
    case ",$options," in *${`,${option},`}*) ;; *) echo "/dev/shm is mounted $options" ;; esac
  `;
}

function GRUB() {
  return rootOnly('0600', '/boot/grub/grub.cfg', '/boot/grub2/grub.cfg', '/boot/grub2/user.cfg');
}
