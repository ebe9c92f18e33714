import { z } from 'zod';
import { type Action, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { CNI_PLUGINS } from './data/releases.ts';
import { githubSchema, type Release, releaseDownload, releaseIssues, releaseSchema, sha256Schema } from './github.ts';

/** Where containerd and every network add-on look. */
const BIN = '/opt/cni/bin';
/** Where Debian's containernetworking-plugins puts them. */
const PACKAGED_BIN = '/usr/lib/cni';
/** Plugins that network add-ons expect to find. */
const EXPECTED = ['bridge', 'host-local', 'loopback', 'portmap'];

const params = z.strictObject({
  source: z
    .enum(['auto', 'upstream', 'package'])
    .default('auto')
    .describe(
      'auto: the kubernetes-cni package where Kubernetes comes from packages, else upstream; upstream: the release files; package: what the distribution ships',
    ),
  version: releaseSchema.default('1.9.1').describe('For source upstream: release of the CNI plugins'),
  sha256: sha256Schema.optional().describe('Digest of the release file, for a version that is not known'),
  github: githubSchema,
});

type Params = z.output<typeof params>;

/** The standard network plugins. */
export const cni = defineRecipe({
  name: 'cni',
  summary: 'standard CNI plugins in /opt/cni/bin',
  params,
  after: ['containerd'],
  validate: (context, params) => {
    const source = sourceOf(context, params);
    if (source === 'upstream') return releaseIssues(release(context, params), 'recipes.cni.sha256');
    if (source === 'kubernetes-cni' || context.os.family === 'debian') return [];
    const message = `${context.os.title} has no package of the CNI plugins`;
    return [{ path: 'recipes.cni.source', message, hint: 'use source: upstream' }];
  },
  packages: (context, params) => (sourceOf(context, params) === 'package' ? [{ name: 'containernetworking-plugins' }] : []),
  steps: (context, params) => [...install(context, params), ...leaveInterfacesAlone(context)],
  checks: () => [
    {
      name: 'cni/plugins',
      title: 'the CNI plugins can run',
      // Asked for its version a plugin answers in JSON (CNI specification, VERSION).
      script: sh`
        for plugin in ${EXPECTED}; do
          printf '%s: ' "$plugin"
          CNI_COMMAND=VERSION ${BIN}/"$plugin" </dev/null
        done
      `,
      expect: { kind: 'matches', pattern: 'supportedVersions' },
      when: ['build', 'boot'],
    },
  ],
  properties: (context, params): Readonly<Record<string, string>> =>
    sourceOf(context, params) === 'upstream' ? { CNI_VERSION: params.version } : {},
});

function sourceOf({ kubernetes }: RecipeContext, { source }: Params): 'upstream' | 'package' | 'kubernetes-cni' {
  if (source !== 'auto') return source;
  return kubernetes?.source === 'pkg' ? 'kubernetes-cni' : 'upstream';
}

function install(context: RecipeContext, params: Params): readonly Action[] {
  switch (sourceOf(context, params)) {
    case 'upstream':
      return [{ kind: 'unpack', download: releaseDownload(release(context, params)), into: BIN }];
    case 'package':
      return [
        { kind: 'directory', path: BIN },
        {
          kind: 'exec',
          title: `link the plugins of ${PACKAGED_BIN} into ${BIN}`,
          script: sh`ln -sf -t ${BIN} ${PACKAGED_BIN}/*`,
          timeoutMs: 60_000,
        },
      ];
    case 'kubernetes-cni':
      return [];
  }
}

/** NetworkManager would take the interfaces of pods for its own (Calico docs, "Configure NetworkManager"). */
function leaveInterfacesAlone({ os }: RecipeContext): readonly Action[] {
  if (os.family !== 'rhel') return [];
  const names = [
    'cali*',
    'tunl*',
    'vxlan.calico',
    'vxlan-v6.calico',
    'wireguard.cali',
    'cni*',
    'flannel*',
    'veth*',
    'cilium*',
    'lxc*',
  ];
  return [
    {
      kind: 'file',
      path: '/etc/NetworkManager/conf.d/90-kib-cni.conf',
      text: `[keyfile]\nunmanaged-devices=${names.map((name) => `interface-name:${name}`).join(';')}\n`,
    },
  ];
}

function release({ arch }: RecipeContext, { version, sha256, github }: Params): Release {
  return {
    setting: 'recipes.cni.version',
    github,
    project: 'containernetworking/plugins',
    version,
    file: `cni-plugins-linux-${arch}-v${version}.tgz`,
    pins: CNI_PLUGINS,
    arch,
    sha256,
    why: 'cni: plugins',
  };
}
