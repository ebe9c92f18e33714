import { z } from 'zod';
import { type Action, type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { CNI_PLUGINS } from './data/releases.ts';
import { githubSchema, type Release, releaseDownload, releaseIssues, releaseSchema, sha256Schema } from './github.ts';
import { isAmazon, majorOf } from './node-packages.ts';

/** Where containerd and every network add-on look. */
const BIN = '/opt/cni/bin';
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
  packageVersion: z
    .string()
    .regex(/^[\w.+~:*-]+$/, 'must be a version as the package manager spells it')
    .optional()
    .describe('For packages: exact version, such as 1.9.1-1.1 of kubernetes-cni; default: the newest'),
  github: githubSchema,
});

type Params = z.output<typeof params>;

/** The standard network plugins. */
export const cni = defineRecipe({
  name: 'cni',
  summary: 'standard CNI plugins in /opt/cni/bin',
  params,
  after: ['containerd', 'crio'],
  validate: (context, params) => {
    const source = sourceOf(context, params);
    const unused =
      source === 'upstream' && params.packageVersion !== undefined
        ? [
            {
              path: 'packageVersion',
              message: 'is for packages, and the plugins come from upstream',
              hint: 'use recipes.cni.version',
            },
          ]
        : [];
    if (source === 'upstream') return [...releaseIssues(release(context, params), 'recipes.cni.sha256'), ...unused];
    if (source === 'kubernetes-cni' || packagedBin(context) !== undefined) return [];
    const message = `${context.os.title} has no package of the CNI plugins`;
    return [{ path: 'recipes.cni.source', message, hint: 'use source: upstream' }];
  },
  packages: (context, params) => {
    const source = sourceOf(context, params);
    const { packageVersion: version } = params;
    // kubernetes-cni is asked for by the recipe kubernetes; here only its version is.
    if (source === 'kubernetes-cni') return version === undefined ? [] : [{ name: 'kubernetes-cni', version }];
    if (source === 'upstream') return [];
    return [{ name: 'containernetworking-plugins', ...(version === undefined ? {} : { version }) }];
  },
  steps: install,
  checks: (context, params) => [
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
    ...(sourceOf(context, params) === 'upstream' ? [versionCheck(params.version)] : []),
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
    case 'package': {
      const from = packagedBin(context) ?? BIN;
      return [
        { kind: 'directory', path: BIN },
        {
          kind: 'exec',
          title: `link the plugins of ${from} into ${BIN}`,
          script: sh`ln -sf -t ${BIN} ${from}/*`,
          timeoutMs: 60_000,
        },
      ];
    }
    case 'kubernetes-cni':
      return [];
  }
}

/** Where containernetworking-plugins puts them; Enterprise Linux 10 no longer has it. */
function packagedBin({ os }: RecipeContext): string | undefined {
  if (os.family === 'debian') return '/usr/lib/cni';
  const hasPackage = os.family === 'rhel' && !isAmazon(os) && [8, 9].includes(majorOf(os));
  return hasPackage ? '/usr/libexec/cni' : undefined;
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

/** Without CNI_COMMAND a plugin says what it is. */
function versionCheck(version: string): Check {
  return {
    name: 'cni/version',
    title: `the CNI plugins are v${version}`,
    script: sh`${BIN}/bridge </dev/null 2>&1 || :`,
    expect: { kind: 'matches', pattern: `^CNI bridge plugin v${version.replaceAll('.', '\\.')}$` },
    when: ['build', 'boot'],
  };
}
