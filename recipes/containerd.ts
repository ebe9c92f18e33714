import { z } from 'zod';
import { type Action, type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { limitCheck, noProxyCheck, pullTimeoutCheck } from './containerd-checks.ts';
import { type ConfigVersion, configTable, configToml, dropIn, pauseImage, UNIT } from './containerd-files.ts';
import { containerdRelease, crictlRelease, matchingCrictl, runcRelease } from './containerd-releases.ts';
import {
  extraRuntimes,
  gvisorIssues,
  gvisorSchema,
  installGvisor,
  installWasmShims,
  RUNSC_CONFIG_PATH,
  runscConfig,
  runtimeChecks,
  wasmIssues,
  wasmShimsSchema,
} from './containerd-runtimes.ts';
import { crictlCheck, crictlConfig } from './crictl.ts';
import { githubSchema, type Release, releaseDownload, releaseIssues, releaseSchema, sha256Schema } from './github.ts';
import type { Issue } from './issue.ts';
import { isAmazon, majorOf } from './node-packages.ts';
import { proxyIssues, proxySchema, proxySeal, proxyShips, proxySteps } from './proxy.ts';
import { containerdRegistries, registriesSchema, registryIssues } from './registries.ts';
import { CONTAINERD_RUNTIME } from './runtime.ts';
import { tableOf, toml, tomlSchema } from './toml.ts';
import { isAtLeast, minorOf } from './versions.ts';

/** Kubernetes 1.35 is the last release that supports containerd 1.x. */
const MINOR_THAT_NEEDS_2 = 36;
const MINIMUM = '2.0.0';
/** containerd of distributions whose release never moves to 2.x. */
const PACKAGED: Readonly<Record<string, string>> = { 'debian 12': '1.6.20', 'debian 13': '1.7.24' };

const params = z.strictObject({
  source: z
    .enum(['upstream', 'package'])
    .default('upstream')
    .describe('upstream: the release files of containerd and runc; package: what the distribution ships'),
  version: releaseSchema.default('2.3.4').describe('For source upstream: containerd release'),
  sha256: sha256Schema.optional().describe('Digest of the containerd release file, for a version that is not known'),
  static: z
    .boolean()
    .optional()
    .describe(
      'For source upstream: whether to take the files that need no C library; default: where that of the system is too old',
    ),
  runc: releaseSchema.default('1.4.3').describe('For source upstream: runc release'),
  runcSha256: sha256Schema.optional().describe('Digest of the runc release file, for a version that is not known'),
  crictl: z
    .union([z.literal('off'), releaseSchema])
    .optional()
    .describe('crictl release, or off; default: the one of the Kubernetes release, unless packages bring it'),
  crictlSha256: sha256Schema.optional().describe('Digest of the crictl release file, for a version that is not known'),
  github: githubSchema,
  pauseImage: z.string().optional().describe('Image of the pause container; default: the one of the Kubernetes release'),
  cgroupDriver: z
    .enum(['systemd', 'cgroupfs'])
    .default('systemd')
    .describe('Who makes the cgroups of containers; kubelet must be told the same'),
  snapshotter: z.string().optional().describe('Snapshotter of container images; default: overlayfs'),
  selinux: z
    .boolean()
    .default(false)
    .describe('Whether containers get SELinux labels of their own, which separates them from each other'),
  imagePullProgressTimeout: z
    .string()
    .regex(/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/, 'must be a duration such as 10m')
    .optional()
    .describe('A pull that brings nothing for so long is given up, such as 10m; default: containerd’s'),
  limitNofile: z
    .int()
    .positive()
    .optional()
    .describe('Open files per process of containerd and its containers; default: systemd’s'),
  gvisor: gvisorSchema,
  wasmShims: wasmShimsSchema,
  registries: registriesSchema,
  proxy: proxySchema,
  settings: z
    .union([z.string(), tomlSchema])
    .optional()
    .describe('More of config.toml: a table that is merged into ours, or TOML text that is added to it'),
});

type Params = z.output<typeof params>;

/** The container runtime: the role `containerd` of kubernetes-sigs/image-builder, every file of it pinned. */
export const containerd = defineRecipe({
  name: CONTAINERD_RUNTIME.name,
  summary: 'containerd and runc with systemd cgroups, crictl',
  params,
  after: ['node'],
  validate: (context, params) => [
    ...(params.source === 'upstream'
      ? [
          ...releaseIssues(containerdRelease(context, params), 'recipes.containerd.sha256'),
          ...releaseIssues(runcOf(context, params), 'recipes.containerd.runcSha256'),
        ]
      : []),
    ...crictlReleases(context, params).flatMap((release) => releaseIssues(release, 'recipes.containerd.crictlSha256')),
    ...packageIssues(context, params),
    ...ageIssues(context, params),
    ...gvisorIssues(context, params.gvisor),
    ...wasmIssues(context, params.wasmShims),
    ...registryIssues(params.registries, 'recipes.containerd.registries'),
    ...proxyIssues(params.proxy, 'recipes.containerd.proxy'),
    ...(params.selinux && !context.os.selinux
      ? [{ path: 'recipes.containerd.selinux', message: `${context.os.title} has no SELinux`, hint: 'leave it out' }]
      : []),
  ],
  packages: ({ os }, { source }) => {
    // Amazon Linux 2 has container-selinux among its extras only.
    const policy = os.selinux && !(isAmazon(os) && majorOf(os) < 2023) ? [{ name: 'container-selinux' }] : [];
    if (source === 'package') return [{ name: 'containerd' }, { name: 'runc' }, ...policy];
    return [{ name: os.family === 'debian' ? 'libseccomp2' : 'libseccomp' }, ...policy];
  },
  steps: (context, params) => [
    ...(params.source === 'upstream' ? installUpstream(context, params) : []),
    ...installGvisor(context, params.gvisor),
    ...installWasmShims(params.wasmShims, params.github),
    ...crictlReleases(context, params).map(
      (release): Action => ({ kind: 'unpack', download: releaseDownload(release), into: '/usr/local/bin', members: ['crictl'] }),
    ),
    linkCommands,
    { kind: 'directory', path: '/etc/containerd/conf.d' },
    { kind: 'directory', path: '/etc/containerd/certs.d' },
    ...containerdRegistries(params.registries),
    ...(params.gvisor === undefined
      ? []
      : [{ kind: 'file', path: RUNSC_CONFIG_PATH, text: toml(runscConfig(params.gvisor, params.cgroupDriver)) } as const]),
    { kind: 'file', path: '/etc/containerd/config.toml', text: config(context, params) },
    { kind: 'file', path: '/etc/systemd/system/containerd.service.d/10-kib.conf', text: dropIn(params.limitNofile) },
    ...proxySteps(params.proxy, CONTAINERD_RUNTIME.unit),
    crictlConfig(CONTAINERD_RUNTIME),
    { kind: 'service', unit: CONTAINERD_RUNTIME.unit, enabled: true, state: 'restarted' },
  ],
  seal: (_context, { proxy }) => proxySeal(proxy, CONTAINERD_RUNTIME.unit),
  ships: (_context, { proxy }) => proxyShips(proxy, CONTAINERD_RUNTIME.unit),
  checks: (context, params) => [
    {
      name: 'containerd/active',
      title: 'containerd is running',
      script: sh`systemctl is-active containerd.service`,
      expect: { kind: 'equals', text: 'active' },
      when: ['build', 'boot'],
    },
    versionCheck(context, params),
    {
      name: 'containerd/cri',
      title: 'containerd serves the CRI',
      script: sh`ctr plugins ls | grep '^io\.containerd\.grpc\.v1  *cri '`,
      expect: { kind: 'matches', pattern: ' ok *$' },
      when: ['build', 'boot'],
    },
    {
      name: 'containerd/cgroups',
      title: `containers are in cgroups of ${params.cgroupDriver}`,
      script: sh`containerd config dump | grep SystemdCgroup`,
      expect: { kind: 'matches', pattern: `SystemdCgroup = ${params.cgroupDriver === 'systemd'}` },
      when: ['build', 'boot'],
    },
    {
      name: 'containerd/pause',
      title: 'the pause image is the one of the Kubernetes release',
      script: sh`containerd config dump | sed -n -E ${String.raw`s/^ *(sandbox|sandbox_image) = ["'](.*)["']$/\2/p`}`,
      expect: { kind: 'equals', text: pauseOf(context, params) },
      when: ['build', 'boot'],
    },
    crictlCheck(CONTAINERD_RUNTIME),
    ...(params.limitNofile === undefined ? [] : [limitCheck(params.limitNofile)]),
    ...(params.imagePullProgressTimeout === undefined ? [] : [pullTimeoutCheck(params.imagePullProgressTimeout)]),
    ...runtimeChecks(params.gvisor, params.wasmShims),
    ...(params.proxy === undefined || params.proxy.keep ? [] : [noProxyCheck(CONTAINERD_RUNTIME.unit, CONTAINERD_RUNTIME.name)]),
  ],
  properties: (_context, { source, version }) => (source === 'upstream' ? { CONTAINERD_VERSION: version } : {}),
});

function runcOf(context: RecipeContext, { runc: version, runcSha256: sha256, github }: Params): Release {
  return runcRelease(context, { version, sha256, github });
}

/** None or one. Packages of pkgs.k8s.io bring crictl; an image of distribution packages asks for it if it wants it. */
function crictlReleases(context: RecipeContext, params: Params): readonly Release[] {
  const isBrought = params.source === 'package' || context.kubernetes?.source === 'pkg';
  const version = params.crictl ?? (isBrought ? 'off' : (matchingCrictl(context) ?? 'off'));
  if (version === 'off') return [];
  return [crictlRelease(context, { version, sha256: params.crictlSha256, github: params.github })];
}

/** Photon's package leaves the shim out, and Enterprise Linux has no containerd. */
function packageIssues({ os }: RecipeContext, { source }: Params): readonly Issue[] {
  if (source !== 'package' || os.family === 'debian' || (isAmazon(os) && majorOf(os) >= 2023)) return [];
  const message = `${os.title} has no containerd package`;
  return [{ path: 'recipes.containerd.source', message, hint: 'use source: upstream' }];
}

function ageIssues({ os, kubernetes }: RecipeContext, { source, version }: Params): readonly Issue[] {
  if (kubernetes === undefined || minorOf(kubernetes.version) < MINOR_THAT_NEEDS_2) return [];
  const used = source === 'upstream' ? version : PACKAGED[`${os.distribution} ${os.version}`];
  if (used === undefined || isAtLeast(used, MINIMUM)) return [];
  const where = source === 'upstream' ? '' : ` of ${os.title}`;
  return [
    {
      path: `recipes.containerd.${source === 'upstream' ? 'version' : 'source'}`,
      message: `Kubernetes ${kubernetes.version} needs containerd ${MINIMUM}, got ${used}${where}`,
      hint: source === 'upstream' ? 'use 2.3.4' : 'use source: upstream, or kubernetes.version v1.35.x',
    },
  ];
}

function installUpstream(context: RecipeContext, params: Params): readonly Action[] {
  return [
    {
      kind: 'unpack',
      download: releaseDownload(containerdRelease(context, params)),
      into: '/usr/local',
      members: ['bin/containerd', 'bin/containerd-shim-runc-v2', 'bin/ctr'],
    },
    { kind: 'download', download: releaseDownload(runcOf(context, params)), path: '/usr/local/sbin/runc', mode: '0755' },
    { kind: 'file', path: '/usr/lib/systemd/system/containerd.service', text: UNIT },
  ];
}

/** sudo's search path on Enterprise Linux has no /usr/local/bin. */
const linkCommands: Action = {
  kind: 'exec',
  title: 'make ctr and crictl found by sudo',
  script: sh`
    for command in ctr crictl; do
      if [ -x "/usr/local/bin/$command" ]; then ln -sf "/usr/local/bin/$command" "/usr/bin/$command"; fi
    done
  `,
  timeoutMs: 60_000,
};

function config(context: RecipeContext, params: Params): string {
  const table = configTable(configVersion(params), {
    sandboxImage: pauseOf(context, params),
    cgroupDriver: params.cgroupDriver,
    selinux: params.selinux,
    snapshotter: params.snapshotter,
    imagePullProgressTimeout: params.imagePullProgressTimeout,
    runtimes: extraRuntimes(params.gvisor, params.wasmShims),
  });
  const { settings } = params;
  return configToml(table, settings === undefined || typeof settings === 'string' ? settings : tableOf(settings));
}

/** containerd 2.x reads versions 2 to 4, so that 2 fits a packaged containerd of any age. */
function configVersion({ source, version }: Params): ConfigVersion {
  return source === 'upstream' && isAtLeast(version, '2.0.0') ? 3 : 2;
}

function pauseOf({ kubernetes }: RecipeContext, { pauseImage: chosen }: Params): string {
  return chosen ?? pauseImage(kubernetes);
}

function versionCheck({ kubernetes }: RecipeContext, { source, version }: Params): Check {
  const common = { name: 'containerd/version', when: ['build', 'boot'] } as const;
  const script = sh`containerd --version`;
  if (source === 'upstream') {
    // Behind it stands the commit, if whoever compiled it knew one.
    const pattern = ` v${version.replaceAll('.', '\\.')}( |$)`;
    return { ...common, title: `containerd is v${version}`, script, expect: { kind: 'matches', pattern } };
  }
  const needs2 = kubernetes !== undefined && minorOf(kubernetes.version) >= MINOR_THAT_NEEDS_2;
  return {
    ...common,
    title: `containerd is ${needs2 ? '2.0 or newer' : '1.6 or newer'}`,
    script,
    expect: { kind: 'matches', pattern: needs2 ? ' v?([2-9]|\\d\\d+)\\.' : ' v?(1\\.([6-9]|\\d\\d+)|[2-9])\\.' },
  };
}
