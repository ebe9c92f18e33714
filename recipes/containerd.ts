import { z } from 'zod';
import { type Action, type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { configToml, dropIn, pauseImage, UNIT } from './containerd-files.ts';
import { CONTAINERD, CRICTL, RUNC } from './data/releases.ts';
import { githubSchema, type Release, releaseDownload, releaseIssues, releaseSchema, sha256Schema } from './github.ts';
import { isAtLeast, minorOf, seriesOf } from './versions.ts';

const SOCKET = 'unix:///run/containerd/containerd.sock';
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
  runc: releaseSchema.default('1.4.3').describe('For source upstream: runc release'),
  runcSha256: sha256Schema.optional().describe('Digest of the runc release file, for a version that is not known'),
  crictl: z
    .union([z.literal('off'), releaseSchema])
    .optional()
    .describe('crictl release, or off; default: the one of the Kubernetes release, unless packages bring it'),
  crictlSha256: sha256Schema.optional().describe('Digest of the crictl release file, for a version that is not known'),
  github: githubSchema,
  pauseImage: z.string().optional().describe('Image of the pause container; default: the one of the Kubernetes release'),
  limitNofile: z
    .int()
    .positive()
    .optional()
    .describe('Open files per process of containerd and its containers; default: systemd’s'),
});

type Params = z.output<typeof params>;

/** The container runtime. */
export const containerd = defineRecipe({
  name: 'containerd',
  summary: 'containerd and runc with systemd cgroups, crictl',
  params,
  after: ['node'],
  validate: (context, params) => [
    ...(params.source === 'upstream'
      ? [
          ...releaseIssues(containerdRelease(context, params), 'recipes.containerd.sha256'),
          ...releaseIssues(runcRelease(context, params), 'recipes.containerd.runcSha256'),
        ]
      : []),
    ...crictlReleases(context, params).flatMap((release) => releaseIssues(release, 'recipes.containerd.crictlSha256')),
    ...packageIssues(context, params),
    ...ageIssues(context, params),
  ],
  packages: ({ os }, { source }) => {
    if (source === 'package') return [{ name: 'containerd' }, { name: 'runc' }];
    return os.selinux ? [{ name: 'container-selinux' }] : [];
  },
  steps: (context, params) => [
    ...(params.source === 'upstream' ? installUpstream(context, params) : []),
    ...crictlReleases(context, params).map(
      (release): Action => ({ kind: 'unpack', download: releaseDownload(release), into: '/usr/local/bin', members: ['crictl'] }),
    ),
    linkCommands,
    { kind: 'directory', path: '/etc/containerd/conf.d' },
    { kind: 'directory', path: '/etc/containerd/certs.d' },
    { kind: 'file', path: '/etc/containerd/config.toml', text: configToml(configVersion(params), pauseOf(context, params)) },
    { kind: 'file', path: '/etc/systemd/system/containerd.service.d/10-kib.conf', text: dropIn(params.limitNofile) },
    {
      kind: 'file',
      path: '/etc/crictl.yaml',
      text: `runtime-endpoint: ${SOCKET}\nimage-endpoint: ${SOCKET}\ntimeout: 10\n`,
    },
    { kind: 'service', unit: 'containerd.service', enabled: true, state: 'restarted' },
  ],
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
      title: 'containers are in systemd cgroups',
      script: sh`containerd config dump | grep SystemdCgroup`,
      expect: { kind: 'matches', pattern: 'SystemdCgroup = true' },
      when: ['build', 'boot'],
    },
    {
      name: 'containerd/pause',
      title: 'the pause image is the one of the Kubernetes release',
      script: sh`containerd config dump | sed -n -E ${String.raw`s/^ *(sandbox|sandbox_image) = ["'](.*)["']$/\2/p`}`,
      expect: { kind: 'equals', text: pauseOf(context, params) },
      when: ['build', 'boot'],
    },
    {
      name: 'containerd/crictl',
      title: 'crictl talks to containerd',
      script: sh`
        grep -Fx ${`runtime-endpoint: ${SOCKET}`} /etc/crictl.yaml
        if command -v crictl >/dev/null; then crictl version; else echo 'RuntimeName: containerd (crictl is not installed)'; fi
      `,
      expect: { kind: 'matches', pattern: '^RuntimeName: +containerd' },
      when: ['build', 'boot'],
    },
  ],
  properties: (_context, { source, version }) => (source === 'upstream' ? { CONTAINERD_VERSION: version } : {}),
});

function containerdRelease({ arch }: RecipeContext, { version, sha256, github }: Params): Release {
  return {
    setting: 'recipes.containerd.version',
    github,
    project: 'containerd/containerd',
    version,
    file: `containerd-${version}-linux-${arch}.tar.gz`,
    pins: CONTAINERD,
    arch,
    sha256,
    why: 'containerd: runtime',
  };
}

function runcRelease({ arch }: RecipeContext, { runc: version, runcSha256: sha256, github }: Params): Release {
  return {
    setting: 'recipes.containerd.runc',
    github,
    project: 'opencontainers/runc',
    version,
    file: `runc.${arch}`,
    pins: RUNC,
    arch,
    sha256,
    why: 'containerd: runc',
  };
}

/** None or one. Packages of pkgs.k8s.io bring crictl; an image of distribution packages asks for it if it wants it. */
function crictlReleases({ arch, kubernetes }: RecipeContext, params: Params): readonly Release[] {
  const isBrought = params.source === 'package' || kubernetes?.source === 'pkg';
  const matching =
    kubernetes === undefined ? undefined : [...CRICTL.keys()].find((v) => `v${v}`.startsWith(`${seriesOf(kubernetes.version)}.`));
  const version = params.crictl ?? (isBrought ? 'off' : (matching ?? [...CRICTL.keys()][0] ?? 'off'));
  if (version === 'off') return [];
  return [
    {
      setting: 'recipes.containerd.crictl',
      github: params.github,
      project: 'kubernetes-sigs/cri-tools',
      version,
      file: `crictl-v${version}-linux-${arch}.tar.gz`,
      pins: CRICTL,
      arch,
      sha256: params.crictlSha256,
      why: 'containerd: crictl',
    },
  ];
}

function packageIssues({ os }: RecipeContext, { source }: Params) {
  if (source !== 'package' || os.family !== 'rhel') return [];
  const message = `${os.title} has no containerd package`;
  return [{ path: 'recipes.containerd.source', message, hint: 'use source: upstream' }];
}

function ageIssues({ os, kubernetes }: RecipeContext, { source, version }: Params) {
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
    { kind: 'download', download: releaseDownload(runcRelease(context, params)), path: '/usr/local/sbin/runc', mode: '0755' },
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

/** containerd 2.x reads versions 2 to 4, so that 2 fits a packaged containerd of any age. */
function configVersion({ source, version }: Params): 2 | 3 {
  return source === 'upstream' && isAtLeast(version, '2.0.0') ? 3 : 2;
}

function pauseOf({ kubernetes }: RecipeContext, { pauseImage: chosen }: Params): string {
  return chosen ?? pauseImage(kubernetes?.version);
}

function versionCheck({ kubernetes }: RecipeContext, { source, version }: Params): Check {
  const common = { name: 'containerd/version', when: ['build', 'boot'] } as const;
  const script = sh`containerd --version`;
  if (source === 'upstream') {
    const pattern = ` v${version.replaceAll('.', '\\.')} `;
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
