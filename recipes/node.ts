import { z } from 'zod';
import { type Action, type Check, defineRecipe, lines, type OsDefinition, type RecipeContext, sh } from '../src/core/index.ts';

/** What kubelet and its network plugins expect (Kubernetes docs, "Container Runtimes" and kubeadm's preflight). */
const MODULES = ['overlay', 'br_netfilter'];

/** The settings of kubernetes-sigs/image-builder. */
const SYSCTLS: Readonly<Record<string, string>> = {
  'fs.inotify.max_user_instances': '8192',
  'fs.inotify.max_user_watches': '524288',
  'kernel.panic': '10',
  'kernel.panic_on_oops': '1',
  'net.bridge.bridge-nf-call-ip6tables': '1',
  'net.bridge.bridge-nf-call-iptables': '1',
  'net.ipv4.ip_forward': '1',
  'net.ipv4.tcp_congestion_control': 'bbr',
  'net.ipv6.conf.all.disable_ipv6': '0',
  'net.ipv6.conf.all.forwarding': '1',
  'vm.overcommit_memory': '1',
};

const PACKAGES: Readonly<Record<OsDefinition['family'], readonly string[]>> = {
  debian: ['ca-certificates', 'conntrack', 'curl', 'ebtables', 'ethtool', 'iproute2', 'iptables', 'kmod', 'socat', 'util-linux'],
  // Enterprise Linux 10 keeps br_netfilter and the xt_ modules in kernel-modules-extra; tc is a package of its own.
  rhel: [
    'ca-certificates',
    'conntrack-tools',
    'ethtool',
    'iproute',
    'iproute-tc',
    'iptables-nft',
    'kernel-modules-extra',
    'kmod',
    'socat',
    'tar',
    'util-linux',
  ],
  photon: [
    'ca-certificates',
    'conntrack-tools',
    'curl',
    'ebtables',
    'ethtool',
    'iproute2',
    'iptables',
    'kmod',
    'socat',
    'tar',
    'util-linux',
  ],
};

const UPDATE_TIMERS: Readonly<Record<OsDefinition['family'], readonly string[]>> = {
  debian: ['apt-daily.timer', 'apt-daily-upgrade.timer'],
  rhel: ['dnf-makecache.timer', 'dnf-automatic.timer'],
  photon: ['tdnf-cache-updateinfo.timer'],
};

/** Masked it keeps every swap unit out, those of fstab as well as those that generators make for partitions and zram. */
const SWAP = 'swap.target';

const REBOOT_TIMEOUT_MS = 600_000;

const params = z.strictObject({
  packages: z.array(z.string()).default([]).describe('Packages to install besides the usual ones'),
  modules: z.array(z.string()).default([]).describe('Kernel modules to load besides overlay and br_netfilter'),
  sysctls: z.record(z.string(), z.string()).default({}).describe('Kernel settings to add or to change'),
  chrony: z.boolean().default(true).describe('Whether chrony keeps the time; certificates depend on it'),
  auditd: z.boolean().default(false).describe('Whether to install the audit daemon'),
  automaticUpdates: z.boolean().default(false).describe('Whether timers may change packages of a running node'),
});

type Params = z.output<typeof params>;

/** What every Kubernetes node needs of its operating system. */
export const node = defineRecipe({
  name: 'node',
  summary: 'kernel modules and settings, no swap, packages that Kubernetes needs',
  params,
  packages: ({ os }, { packages, chrony, auditd }) =>
    [
      ...PACKAGES[os.family],
      ...(chrony ? ['chrony'] : []),
      ...(auditd ? [os.family === 'debian' ? 'auditd' : 'audit'] : []),
      ...packages,
    ].map((name) => ({ name })),
  steps: (context, params) => [
    { kind: 'mask', units: [SWAP, ...(params.automaticUpdates ? [] : UPDATE_TIMERS[context.os.family])] },
    noSwap,
    ...matchingKernel(context),
    { kind: 'kernel-modules', name: 'kubernetes', modules: modulesOf(params) },
    { kind: 'sysctl', name: '99-kubernetes', values: sysctlsOf(context, params) },
    { kind: 'file', path: '/etc/kib-release', text: release(context) },
  ],
  checks: (context, params) => [
    modulesCheck(modulesOf(params)),
    sysctlCheck(sysctlsOf(context, params)),
    {
      name: 'node/swap',
      title: 'no swap is in use',
      script: sh`tail -n +2 /proc/swaps`,
      expect: { kind: 'equals', text: '' },
      when: ['build', 'boot'],
    },
    ...(params.chrony ? [chronyCheck(context)] : []),
    {
      name: 'node/units',
      title: 'no unit failed',
      script: sh`systemctl list-units --failed --plain --no-legend`,
      expect: { kind: 'equals', text: '' },
      when: ['boot'],
    },
  ],
});

const noSwap: Action = {
  kind: 'exec',
  title: 'turn swap off for good',
  script: sh`
    swapoff --all
    if [ -e /etc/fstab ]; then
      awk '$1 ~ /^\// && $3 == "swap" { print $1 }' /etc/fstab | while read -r path; do
        if [ -f "$path" ]; then rm -f "$path"; fi
      done
      sed -i -E 's/^([^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]])/# \1/' /etc/fstab
    fi
  `,
  timeoutMs: 120_000,
};

/** kernel-modules-extra brings the newest kernel along, whose modules do not fit the one that runs. */
function matchingKernel({ os }: RecipeContext): readonly Action[] {
  if (os.family !== 'rhel') return [];
  return [
    {
      kind: 'reboot',
      title: 'reboot into the kernel that the modules belong to',
      timeoutMs: REBOOT_TIMEOUT_MS,
      unless: sh`rpm --query --quiet "kernel-modules-extra-$(uname -r)"`,
    },
  ];
}

function modulesOf({ modules }: Params): readonly string[] {
  return [...new Set([...MODULES, ...modules])];
}

function sysctlsOf({ os }: RecipeContext, { sysctls }: Params): Readonly<Record<string, string>> {
  // Ubuntu's default of 2 accepts packets that Calico must drop.
  const ubuntu: Readonly<Record<string, string>> = os.distribution === 'ubuntu' ? { 'net.ipv4.conf.all.rp_filter': '1' } : {};
  return { ...SYSCTLS, ...ubuntu, ...sysctls };
}

function chronyUnit({ os }: RecipeContext): string {
  return os.family === 'debian' ? 'chrony.service' : 'chronyd.service';
}

/** What the image is, for people who log in; the same inputs give the same bytes. */
function release({ os, arch, kubernetes, recipes }: RecipeContext): string {
  const facts = { KIB_OS: os.id, KIB_ARCH: arch, KIB_KUBERNETES_VERSION: kubernetes?.version, KIB_RECIPES: recipes.join(',') };
  return Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function modulesCheck(modules: readonly string[]): Check {
  return {
    name: 'node/modules',
    title: `kernel modules ${modules.join(', ')} are loaded`,
    script: sh`
      for module in ${modules.map((module) => module.replaceAll('-', '_'))}; do
        [ -d "/sys/module/$module" ] || { echo "$module is not loaded"; exit 1; }
      done
    `,
    expect: { kind: 'success' },
    when: ['build', 'boot'],
  };
}

/** Prints each setting that differs, so that a failure names them all. */
function sysctlCheck(values: Readonly<Record<string, string>>): Check {
  return {
    name: 'node/sysctls',
    title: `${Object.keys(values).length} kernel settings are live`,
    script: lines([
      sh`
        expect() {
          got=$(tr '\t' ' ' 2>/dev/null <"/proc/sys/$1") || got='no such setting'
          [ "$got" = "$2" ] || echo "$1: wanted $2, got $got"
        }
      `,
      ...Object.entries(values).map(([key, value]) => sh`expect ${procPath(key)} ${value}`),
    ]),
    expect: { kind: 'equals', text: '' },
    when: ['build', 'boot'],
  };
}

/** Below /proc/sys. As in sysctl.d(5), the first separator says which of `.` and `/` separates. */
function procPath(key: string): string {
  return /^[^./]*\//.test(key) ? key : key.replaceAll(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}

function chronyCheck(context: RecipeContext): Check {
  return {
    name: 'node/chrony',
    title: 'chrony is running',
    script: sh`systemctl is-active ${chronyUnit(context)}`,
    expect: { kind: 'equals', text: 'active' },
    when: ['build', 'boot'],
  };
}
