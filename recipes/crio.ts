import { z } from 'zod';
import { type Action, type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { noProxyCheck } from './containerd-checks.ts';
import { pauseImage } from './containerd-files.ts';
import { crictlCheck, crictlConfig } from './crictl.ts';
import { CONFIG, CRIO_UNIT, crioConfig, crioDropIn, HELPERS_FOLDER, POLICY } from './crio-files.ts';
import { CRIO } from './data/crio.ts';
import { known } from './data/pins.ts';
import { releaseSchema, sha256Schema } from './github.ts';
import type { Issue } from './issue.ts';
import { isAmazon, majorOf } from './node-packages.ts';
import { proxyIssues, proxySchema, proxySeal, proxyShips, proxySteps } from './proxy.ts';
import { crioRegistries, crioRegistryIssues, registriesSchema, registryIssues } from './registries.ts';
import { CRIO_RUNTIME } from './runtime.ts';
import { tableOf, toml, tomlSchema } from './toml.ts';
import { seriesOf } from './versions.ts';

/** What the bundle's own installer puts into /usr/local/bin and HELPERS_FOLDER. */
const PROGRAMS = ['crio', 'crictl', 'pinns'];
const HELPERS = ['conmon', 'conmonrs', 'crun', 'runc'];

const params = z.strictObject({
  source: z
    .enum(['upstream', 'package'])
    .default('upstream')
    .describe('upstream: the release bundle with everything CRI-O needs; package: the packages of the CRI-O project'),
  version: releaseSchema
    .optional()
    .describe('For source upstream: CRI-O release; default: the newest known of the Kubernetes release'),
  sha256: sha256Schema.optional().describe('Digest of the bundle, for a version that is not known'),
  url: z
    .url({ protocol: /^https?$/ })
    .default('https://storage.googleapis.com/cri-o/artifacts')
    .describe('For source upstream: what stands before /cri-o.<arch>.v<version>.tar.gz; a mirror'),
  repository: z
    .url({ protocol: /^https?$/ })
    .default('https://download.opensuse.org/repositories')
    .describe('For source package: what stands before /isv:/cri-o:/stable:/v1.x/deb/ and rpm/'),
  repositoryKey: z
    .string()
    .regex(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/, 'must be an armoured OpenPGP public key')
    .optional()
    .describe('For source package: the OpenPGP key, as text, that signs the repository (Release.key in its folder deb)'),
  packageVersion: z.string().optional().describe('For source package: exact version of the package cri-o; default: the newest'),
  runtime: z.enum(['crun', 'runc']).default('crun').describe('What starts containers unless a RuntimeClass says otherwise'),
  pauseImage: z.string().optional().describe('Image of the pause container; default: the one of the Kubernetes release'),
  cgroupDriver: z
    .enum(['systemd', 'cgroupfs'])
    .default('systemd')
    .describe('Who makes the cgroups of containers; kubelet must be told the same'),
  pullProgressTimeout: z
    .string()
    .regex(/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/, 'must be a duration such as 10m')
    .optional()
    .describe('A pull that brings nothing for so long is given up, such as 10m; default: CRI-O’s'),
  limitNofile: z.int().positive().default(1_048_576).describe('Open files per process of CRI-O and its containers'),
  registries: registriesSchema,
  proxy: proxySchema,
  settings: tomlSchema.optional().describe('More of crio.conf, a table such as { crio: { metrics: { enable_metrics: true } } }'),
});

type Params = z.output<typeof params>;

/** CRI-O in place of containerd, as its packages and its bundle set it up (cri-o/packaging). */
export const crio = defineRecipe({
  name: CRIO_RUNTIME.name,
  summary: 'CRI-O in place of containerd',
  params,
  optional: true,
  replaces: ['containerd'],
  after: ['node'],
  validate: (context, params) => [
    ...(context.recipes.includes('containerd')
      ? [
          {
            path: 'recipes.containerd',
            message: 'an image has one container runtime, and recipes.crio names another one',
            hint: 'remove recipes.containerd, which then is left out, or recipes.crio',
          },
        ]
      : []),
    ...versionIssues(context, params),
    ...keyIssues(params),
    ...registryIssues(params.registries, 'recipes.crio.registries'),
    ...crioRegistryIssues(params.registries, 'recipes.crio.registries'),
    ...proxyIssues(params.proxy, 'recipes.crio.proxy'),
  ],
  repositories: (context, { source, repository, repositoryKey }) => {
    if (source !== 'package' || repositoryKey === undefined) return [];
    const series = streamOf(context);
    const folder = `${repository.replace(/\/$/, '')}/isv:/cri-o:/stable:/${series}`;
    return [
      {
        name: 'cri-o',
        title: `CRI-O ${series}`,
        key: repositoryKey,
        apt: { uri: `${folder}/deb/`, suite: '/', components: [] },
        rpm: { baseurl: `${folder}/rpm/`, exclude: ['cri-o'] },
      },
    ];
  },
  packages: ({ os }, { source, packageVersion }) => {
    const policy = os.selinux && !(isAmazon(os) && majorOf(os) < 2023) ? [{ name: 'container-selinux' }] : [];
    if (source === 'upstream') return policy;
    return [...policy, packageVersion === undefined ? { name: 'cri-o' } : { name: 'cri-o', version: packageVersion }];
  },
  steps: (context, params) => [
    ...(params.source === 'upstream' ? installBundle(context, params) : []),
    { kind: 'file', path: '/etc/crio/policy.json', text: POLICY },
    ...crioRegistries(params.registries),
    // Short names are not guessed: an image's name says which registry it is from.
    { kind: 'file', path: '/etc/containers/registries.conf.d/crio.conf', text: 'unqualified-search-registries = []\n' },
    {
      kind: 'file',
      path: CONFIG,
      text: toml(
        crioConfig({
          runtime: params.runtime,
          pauseImage: pauseOf(context, params),
          cgroupDriver: params.cgroupDriver,
          selinux: context.os.selinux,
          pullProgressTimeout: params.pullProgressTimeout,
        }),
      ),
    },
    ...(params.settings === undefined
      ? []
      : [
          // CRI-O merges its files field by field (crio.conf.d(5)).
          { kind: 'file', path: '/etc/crio/crio.conf.d/50-kib.conf', text: toml(tableOf(params.settings)) } as const,
        ]),
    { kind: 'directory', path: '/etc/cni/net.d' },
    { kind: 'file', path: '/etc/systemd/system/crio.service.d/10-kib.conf', text: crioDropIn(params.limitNofile) },
    ...proxySteps(params.proxy, CRIO_RUNTIME.unit),
    crictlConfig(CRIO_RUNTIME),
    { kind: 'service', unit: CRIO_RUNTIME.unit, enabled: true, state: 'restarted' },
    ...(params.source === 'package' && context.os.packageManager === 'apt'
      ? [{ kind: 'hold', packages: ['cri-o'] } as const]
      : []),
  ],
  seal: (_context, { proxy }) => proxySeal(proxy, CRIO_RUNTIME.unit),
  ships: (_context, { proxy }) => proxyShips(proxy, CRIO_RUNTIME.unit),
  checks: (context, params) => [
    {
      name: 'crio/active',
      title: 'CRI-O is running',
      script: sh`systemctl is-active crio.service`,
      expect: { kind: 'equals', text: 'active' },
      when: ['build', 'boot'],
    },
    versionCheck(context, params),
    {
      name: 'crio/config',
      title: `containers get cgroups of ${params.cgroupDriver} and are started by ${params.runtime}`,
      script: sh`crio status config`,
      expect: {
        kind: 'matches',
        pattern: `(?=[\\s\\S]*cgroup_manager = "${params.cgroupDriver}")(?=[\\s\\S]*default_runtime = "${params.runtime}")`,
      },
      when: ['build', 'boot'],
    },
    crictlCheck(CRIO_RUNTIME),
    ...(params.proxy === undefined || params.proxy.keep ? [] : [noProxyCheck(CRIO_RUNTIME.unit, CRIO_RUNTIME.name)]),
  ],
  properties: (context, params): Readonly<Record<string, string>> => {
    const version = versionOf(context, params);
    return params.source === 'upstream' && version !== undefined ? { CRIO_VERSION: version } : {};
  },
});

/** CRI-O has a release for each minor of Kubernetes; without Kubernetes the newest that is known. */
function streamOf({ kubernetes }: RecipeContext): string {
  return kubernetes === undefined ? `v${[...CRIO.keys()][0]?.replace(/\.\d+$/, '')}` : seriesOf(kubernetes.version);
}

function versionOf(context: RecipeContext, { version }: Params): string | undefined {
  const stream = `${streamOf(context)}.`;
  return version ?? [...CRIO.keys()].find((candidate) => `v${candidate}`.startsWith(stream));
}

function versionIssues(context: RecipeContext, params: Params): readonly Issue[] {
  if (params.source !== 'upstream') return [];
  const { kubernetes, arch } = context;
  const path = 'recipes.crio.version';
  const version = versionOf(context, params);
  if (version === undefined) {
    return [
      {
        path,
        message: `no CRI-O release of ${streamOf(context)} is known`,
        hint: `set it and recipes.crio.sha256; known are ${known(CRIO)}`,
      },
    ];
  }
  if (params.sha256 === undefined && CRIO.get(version)?.[arch] === undefined) {
    return [
      {
        path,
        message: `no digest is known for CRI-O ${version}`,
        hint: `set recipes.crio.sha256, or take one of ${known(CRIO)}`,
      },
    ];
  }
  if (kubernetes === undefined || `v${version}`.startsWith(`${streamOf(context)}.`)) return [];
  return [
    {
      path,
      message: `CRI-O ${version} is not of Kubernetes ${kubernetes.version}, and is not tested with it`,
      hint: `use a release of ${streamOf(context)}`,
    },
  ];
}

/** The project publishes its key beside its packages only; nothing else vouches for it. */
function keyIssues({ source, repository, repositoryKey }: Params): readonly Issue[] {
  if (source !== 'package') return [];
  return [
    ...(repositoryKey === undefined
      ? [
          {
            path: 'recipes.crio.repositoryKey',
            message: 'is required for source package',
            hint: 'give the text of Release.key, which is in the folder deb of the repository, or use source: upstream',
          },
        ]
      : []),
    ...(new URL(repository).username === ''
      ? []
      : [
          {
            path: 'recipes.crio.repository',
            message: 'holds a login, which every machine of the image could read',
            hint: 'use source: upstream: this host fetches the bundle, and the login stays here',
          },
        ]),
  ];
}

function installBundle(context: RecipeContext, params: Params): readonly Action[] {
  const version = versionOf(context, params) ?? '';
  const sha256 = params.sha256 ?? CRIO.get(version)?.[context.arch];
  const url = `${params.url.replace(/\/$/, '')}/cri-o.${context.arch}.v${version}.tar.gz`;
  const download = { url, why: 'crio: bundle', ...(sha256 === undefined ? {} : { sha256 }) };
  const unpack = (into: string, names: readonly string[]): Action => ({
    kind: 'unpack',
    download,
    into,
    stripComponents: 2,
    members: names.map((name) => `cri-o/bin/${name}`),
  });
  return [
    unpack('/usr/local/bin', PROGRAMS),
    unpack(HELPERS_FOLDER, HELPERS),
    ...(context.os.selinux ? [labelPrograms] : []),
    {
      kind: 'exec',
      title: 'make crictl found by sudo',
      script: sh`ln -sf /usr/local/bin/crictl /usr/bin/crictl`,
      timeoutMs: 60_000,
    },
    { kind: 'file', path: '/usr/lib/systemd/system/crio.service', text: CRIO_UNIT },
  ];
}

/** What starts containers needs the label of a runtime wherever it lies; as the bundle's installer does. */
const labelPrograms: Action = {
  kind: 'exec',
  title: 'label the programs of CRI-O',
  script: sh`chcon -u system_u -r object_r -t container_runtime_exec_t /usr/local/bin/crio ${HELPERS_FOLDER}/crun ${HELPERS_FOLDER}/runc`,
  timeoutMs: 60_000,
};

function pauseOf({ kubernetes }: RecipeContext, { pauseImage: chosen }: Params): string {
  return chosen ?? pauseImage(kubernetes);
}

function versionCheck(context: RecipeContext, params: Params): Check {
  const version = params.source === 'upstream' ? versionOf(context, params) : undefined;
  const wanted = version ?? `${streamOf(context).slice(1)}.`;
  return {
    name: 'crio/version',
    title: `CRI-O is ${version ?? streamOf(context)}`,
    script: sh`crio version`,
    expect: { kind: 'matches', pattern: `^Version: +${wanted.replaceAll('.', '\\.')}` },
    when: ['build', 'boot'],
  };
}
