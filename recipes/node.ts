import { z } from 'zod';
import { type Action, defineRecipe, type OsDefinition, type RecipeContext, sh } from '../src/core/index.ts';
import { wantsUnifiedCgroups } from './kubernetes-issues.ts';
import * as checks from './node-checks.ts';
import {
  ETCD_TUNING,
  ETCD_TUNING_RULE,
  ETCD_TUNING_SCRIPT,
  FSTRIM_SERVICE,
  FSTRIM_TIMER,
  imageBuilderRelease,
  kibRelease,
} from './node-files.ts';
import { bootParameters, bootParametersCheck, hugepagesCheck, pressureCheck } from './node-kernel.ts';
import { auditPackage, essentialPackages, imageBuilderPackages, isAmazon, majorOf, needsExtraModules } from './node-packages.ts';
import { chronyConfig, takeTimeFrom } from './node-time.ts';

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

/** Masked it keeps every swap unit out, those of fstab as well as those that generators make for partitions and zram. */
const SWAP = 'swap.target';

const REBOOT_TIMEOUT_MS = 600_000;

const params = z.strictObject({
  packageSet: z
    .enum(['essential', 'image-builder'])
    .default('essential')
    .describe('essential: what Kubernetes needs; image-builder: also what kubernetes-sigs/image-builder installs besides'),
  packages: z.array(z.string()).default([]).describe('Packages to install besides the usual ones'),
  modules: z.array(z.string()).default([]).describe('Kernel modules to load besides overlay and br_netfilter'),
  sysctls: z.record(z.string(), z.string()).default({}).describe('Kernel settings to add or to change'),
  kernelArgs: z
    .array(z.string().regex(/^[\w.,:;=/@%+~*-]+$/, 'must be one boot parameter such as mitigations=off'))
    .default([])
    .describe('Boot parameters to add to the kernel’s, such as mitigations=off'),
  transparentHugepages: z
    .enum(['always', 'madvise', 'never', 'keep'])
    .optional()
    .describe(
      'When the kernel uses huge pages by itself; default: madvise on Enterprise Linux, Amazon Linux and Photon OS, else keep',
    ),
  pressureStall: z
    .boolean()
    .default(false)
    .describe(
      'Whether to boot with psi=1: kernels of Enterprise Linux measure pressure stalls, which kubelet reports, only then',
    ),
  apparmor: z.boolean().optional().describe('Whether AppArmor is on; default: off on Photon OS, else as the system has it'),
  etcdNetworkPriority: z
    .boolean()
    .default(true)
    .describe('Whether network cards send the traffic of etcd (ports 2379 and 2380) before any other'),
  fstrim: z.boolean().default(true).describe('Whether unused blocks of the disk are given back once a week'),
  chrony: z.boolean().default(true).describe('Whether chrony keeps the time; certificates depend on it'),
  ntpServers: z
    .array(z.string().regex(/^[\w.:-]+$/, 'must be a host name or an address'))
    .default([])
    .describe('Time servers in place of those of the distribution'),
  auditd: z.boolean().default(true).describe('Whether to install the audit daemon'),
  automaticUpdates: z.boolean().default(false).describe('Whether timers may change packages of a running node'),
  mdnsToDns: z
    .boolean()
    .default(false)
    .describe('Photon OS: whether names below .local are asked of DNS servers (leak_local_mdns_to_dns of image-builder)'),
  imageBuilderVersion: z
    .string()
    .regex(/^\S+$/, 'must be one word')
    .optional()
    .describe('Also write /etc/image-builder-release, with this as IMAGE_BUILDER_VERSION, for tools that look there'),
});

type Params = z.output<typeof params>;

/** What every Kubernetes node needs of its operating system: the role `node` of kubernetes-sigs/image-builder, its faults mended. */
export const node = defineRecipe({
  name: 'node',
  summary: 'kernel modules and settings, no swap, packages that Kubernetes needs',
  params,
  validate: ({ os }, { chrony, ntpServers, apparmor, mdnsToDns }) => [
    ...(ntpServers.length > 0 && !chrony
      ? [{ path: 'ntpServers', message: 'are for chrony, which is off', hint: 'set recipes.node.chrony to true' }]
      : []),
    ...(apparmor === true && os.family === 'rhel'
      ? [{ path: 'apparmor', message: `${os.title} has no AppArmor`, hint: 'leave it out; SELinux does that work there' }]
      : []),
    ...(mdnsToDns && os.family !== 'photon'
      ? [{ path: 'mdnsToDns', message: `is for Photon OS, not for ${os.title}`, hint: 'leave it out' }]
      : []),
  ],
  packages: ({ os }, { packages, packageSet, chrony, auditd }) =>
    [
      ...essentialPackages(os),
      ...(packageSet === 'image-builder' ? imageBuilderPackages(os) : []),
      ...(chrony ? ['chrony'] : []),
      ...(auditd ? [auditPackage(os)] : []),
      ...packages,
    ].map((name) => ({ name })),
  steps: (context, params) => [
    { kind: 'mask', units: [SWAP, ...(params.automaticUpdates ? [] : updateUnits(context.os))] },
    noSwap,
    ...matchingKernel(context),
    { kind: 'kernel-modules', name: 'kubernetes', modules: modulesOf(params) },
    { kind: 'sysctl', name: '99-kubernetes', values: sysctlsOf(context, params) },
    ...bootParameters(context.os.family, bootParametersOf(context, params)),
    ...(params.etcdNetworkPriority ? etcdFirst : []),
    ...services(context, params),
    ...(params.ntpServers.length > 0 ? [takeTimeFrom(context.os, params.ntpServers)] : []),
    ...(params.mdnsToDns ? ['10-cloud-init-nics', '99-dhcp-en'].map(localNamesToDns) : []),
    { kind: 'file', path: '/etc/kib-release', text: kibRelease(context) },
    ...(params.imageBuilderVersion === undefined
      ? []
      : [
          {
            kind: 'file',
            path: '/etc/image-builder-release',
            text: imageBuilderRelease(context, params.imageBuilderVersion),
          } as const,
        ]),
  ],
  checks: (context, params) => {
    const parameters = bootParametersOf(context, params);
    const hugepages = hugepagesOf(context, params);
    return [
      checks.modules(modulesOf(params)),
      checks.sysctls(sysctlsOf(context, params)),
      checks.swap,
      ...(parameters.length > 0 ? [bootParametersCheck(parameters)] : []),
      ...(hugepages === undefined ? [] : [hugepagesCheck(hugepages)]),
      ...(params.pressureStall ? [pressureCheck] : []),
      ...(params.etcdNetworkPriority ? [checks.etcdFirst] : []),
      ...(params.chrony ? [checks.active('chrony', context.os.family === 'debian' ? 'chrony.service' : 'chronyd.service')] : []),
      ...(params.ntpServers.length > 0 ? [checks.timeServers(chronyConfig(context.os), params.ntpServers)] : []),
      ...(params.auditd ? [checks.active('auditd', 'auditd.service')] : []),
      ...(params.fstrim ? [checks.active('fstrim', 'fstrim.timer', ['boot'])] : []),
      ...(params.automaticUpdates ? [] : [checks.noUpdates(updateUnits(context.os))]),
      checks.noFailedUnit,
    ];
  },
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

const etcdFirst: readonly Action[] = [
  { kind: 'file', path: ETCD_TUNING, text: ETCD_TUNING_SCRIPT, mode: '0755' },
  { kind: 'file', path: '/etc/udev/rules.d/90-etcd-tuning.rules', text: ETCD_TUNING_RULE },
];

/** kernel-modules-extra brings the newest kernel along, whose modules do not fit the one that runs. */
function matchingKernel({ os }: RecipeContext): readonly Action[] {
  if (!needsExtraModules(os)) return [];
  return [
    {
      kind: 'reboot',
      title: 'reboot into the kernel that the modules belong to',
      timeoutMs: REBOOT_TIMEOUT_MS,
      unless: sh`rpm --query --quiet "kernel-modules-extra-$(uname -r)"`,
    },
  ];
}

function services({ os }: RecipeContext, { auditd, fstrim, apparmor, automaticUpdates }: Params): readonly Action[] {
  const isPhoton = os.family === 'photon';
  return [
    // It comes with conntrack-tools, but for Debian's, and would only track connections for a second machine.
    ...(os.family === 'debian' ? [] : [off('conntrackd.service')]),
    ...(isAppArmorOff(os, apparmor) ? [off('apparmor.service')] : []),
    ...(auditd ? [{ kind: 'service', unit: 'auditd.service', enabled: true, state: 'started' } as const] : []),
    ...(fstrim && isPhoton
      ? [
          { kind: 'file', path: '/etc/systemd/system/fstrim.service', text: FSTRIM_SERVICE } as const,
          { kind: 'file', path: '/etc/systemd/system/fstrim.timer', text: FSTRIM_TIMER } as const,
        ]
      : []),
    ...(fstrim ? [{ kind: 'service', unit: 'fstrim.timer', enabled: true } as const] : []),
    ...(isAmazon(os) ? [{ kind: 'service', unit: 'sysstat.service', enabled: true, state: 'started' } as const] : []),
    ...(isAmazon(os) && !automaticUpdates
      ? [{ kind: 'file', path: '/etc/cloud/cloud.cfg.d/90-kib-no-upgrade.cfg', text: 'repo_upgrade: none\n' } as const]
      : []),
  ];
}

function off(unit: string): Action {
  return { kind: 'service', unit, enabled: false, state: 'stopped' };
}

function isAppArmorOff({ family }: OsDefinition, apparmor: boolean | undefined): boolean {
  return family !== 'rhel' && !(apparmor ?? family !== 'photon');
}

/** systemd.network(5): a drop-in of one of Photon's own files. */
function localNamesToDns(network: string): Action {
  return { kind: 'file', path: `/etc/systemd/network/${network}.network.d/10-kib.conf`, text: '[Network]\nDomains=~local\n' };
}

function updateUnits({ family, packageManager }: OsDefinition): readonly string[] {
  if (family === 'photon') return ['tdnf-cache-updateinfo.timer'];
  if (packageManager === 'yum') return ['yum-cron.service'];
  if (family === 'rhel') return ['dnf-makecache.timer', 'dnf-automatic.timer'];
  const jobs = ['apt-daily', 'apt-daily-upgrade'];
  return [...jobs.map((job) => `${job}.timer`), ...jobs.map((job) => `${job}.service`), 'unattended-upgrades.service'];
}

function modulesOf({ modules }: Params): readonly string[] {
  return [...new Set([...MODULES, ...modules])];
}

function sysctlsOf({ os }: RecipeContext, { sysctls }: Params): Readonly<Record<string, string>> {
  // Ubuntu's default of 2 accepts packets that Calico must drop.
  const ubuntu: Readonly<Record<string, string>> = os.distribution === 'ubuntu' ? { 'net.ipv4.conf.all.rp_filter': '1' } : {};
  // Half of what others have.
  const photon: Readonly<Record<string, string>> = os.family === 'photon' ? { 'net.ipv4.tcp_limit_output_bytes': '524288' } : {};
  // BBR came with Linux 4.9; Enterprise Linux 7 has 3.10.
  const hasBbr = os.family !== 'rhel' || isAmazon(os) || majorOf(os) > 7;
  const usual = Object.fromEntries(Object.entries(SYSCTLS).filter(([, value]) => value !== 'bbr' || hasBbr));
  return { ...usual, ...ubuntu, ...photon, ...sysctls };
}

function bootParametersOf(context: RecipeContext, params: Params): readonly string[] {
  const hugepages = hugepagesOf(context, params);
  return [
    ...(hugepages === undefined ? [] : [`transparent_hugepage=${hugepages}`]),
    ...(isAppArmorOff(context.os, params.apparmor) ? ['apparmor=0'] : []),
    ...(params.pressureStall ? ['psi=1'] : []),
    ...(wantsUnifiedCgroups(context) ? ['systemd.unified_cgroup_hierarchy=1'] : []),
    ...params.kernelArgs,
  ];
}

/** Undefined where the kernel's own choice stays. Debian's and Ubuntu's is kept, as image-builder keeps it. */
function hugepagesOf({ os }: RecipeContext, { transparentHugepages }: Params): string | undefined {
  const mode = transparentHugepages ?? (os.family === 'debian' ? 'keep' : 'madvise');
  return mode === 'keep' ? undefined : mode;
}
