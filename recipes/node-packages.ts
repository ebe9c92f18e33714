import type { OsDefinition } from '../src/core/index.ts';
import { usesDracut } from './providers/targets.ts';

/**
 * What kubelet, kube-proxy and network add-ons call, by family: kubeadm's preflight and the dependencies of kubelet's packages. Names are
 * those of the distributions' archives.
 */
export function essentialPackages(os: OsDefinition): readonly string[] {
  switch (os.family) {
    case 'debian':
      return [
        'ca-certificates',
        'conntrack',
        'curl',
        'ebtables',
        'ethtool',
        'iproute2',
        'iptables',
        'jq',
        'kmod',
        'socat',
        'util-linux',
      ];
    case 'rhel':
      return [
        'ca-certificates',
        'conntrack-tools',
        'ethtool',
        'grubby',
        'iproute',
        'kmod',
        'socat',
        'tar',
        'util-linux',
        ...ofEnterpriseLinux(os),
      ];
    case 'photon':
      return [
        'ca-certificates',
        'conntrack-tools',
        'curl',
        'ebtables',
        'ethtool',
        'iproute2',
        'iptables',
        'jq',
        'kmod',
        'logrotate',
        'socat',
        'tar',
        'unzip',
        'util-linux',
      ];
  }
}

/**
 * What kubernetes-sigs/image-builder installs besides (ansible/roles/node/defaults/main.yml, and of providers what is for booting from a network).
 * Its open-vm-tools and Amazon's agents belong to the provider, linux-cloud-tools to Hyper-V; what conntrack-tools and friends depend on comes
 * with them.
 */
export function imageBuilderPackages(os: OsDefinition): readonly string[] {
  switch (os.family) {
    case 'debian':
      return [
        'apt-transport-https',
        'gnupg',
        'libnetfilter-acct1',
        'libnetfilter-cttimeout1',
        'libnetfilter-log1',
        'python3-netifaces',
        'python3-pip',
        ...ofUbuntu(os),
      ];
    case 'rhel':
      if (isAmazon(os)) {
        return majorOf(os) < 2023
          ? ['curl', 'python-netifaces', 'python-requests', 'python3-pip', 'sysstat', 'yum-utils']
          : ['python3-pip', 'sysstat', 'unzip'];
      }
      return [
        'curl',
        'python3-pip',
        'sysstat',
        'yum-utils',
        ...(majorOf(os) < 8 ? [] : ['python3-requests']),
        // Enterprise Linux 10 dropped it.
        ...([8, 9].includes(majorOf(os)) ? ['python3-netifaces'] : []),
      ];
    case 'photon':
      return [
        'apparmor-parser',
        'dbus-python3',
        'distrib-compat',
        'net-tools',
        'openssl-c_rehash',
        'python3-pip',
        'python3-pygobject',
        'rng-tools',
      ];
  }
}

/** Tools of the kernel such as perf, and helpers of initramfs-tools, which later releases have no more. */
function ofUbuntu(os: OsDefinition): readonly string[] {
  if (os.distribution !== 'ubuntu') return [];
  return ['linux-tools-virtual', ...(usesDracut(os) ? [] : ['cloud-initramfs-copymods', 'cloud-initramfs-dyn-netconf'])];
}

export function auditPackage(os: OsDefinition): string {
  return os.family === 'debian' ? 'auditd' : 'audit';
}

/** Enterprise Linux 10 keeps br_netfilter and the xt_ modules in a package of their own; no other system of that family needs it. */
export function needsExtraModules(os: OsDefinition): boolean {
  return os.family === 'rhel' && !isAmazon(os) && majorOf(os) >= 10;
}

export function isAmazon(os: OsDefinition): boolean {
  return os.distribution === 'amzn';
}

/** The 9 of 9.4. */
export function majorOf({ version }: OsDefinition): number {
  return Number.parseInt(version, 10);
}

/** tc is a package of its own from Enterprise Linux 8 on; iptables is called by its back end from 9 on; jq of 7 is in EPEL only. */
function ofEnterpriseLinux(os: OsDefinition): readonly string[] {
  if (isAmazon(os)) {
    return majorOf(os) < 2023
      ? ['ebtables', 'iptables', 'jq', 'sysstat']
      : ['iproute-tc', 'iptables-nft', 'jq', 'nftables', 'sysstat'];
  }
  if (majorOf(os) < 8) return ['ebtables', 'iptables'];
  return [
    'iproute-tc',
    majorOf(os) < 9 ? 'iptables' : 'iptables-nft',
    'jq',
    ...(needsExtraModules(os) ? ['kernel-modules-extra'] : []),
    'nftables',
  ];
}
