import { z } from 'zod';
import { type Action, type Check, type Download, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { PROVIDERS, type Provider } from './data/credential-providers.ts';
import { known } from './data/pins.ts';
import { releaseSchema, sha256Schema } from './github.ts';
import { minorOf } from './versions.ts';

const FOLDER = '/etc/kubernetes/credential-provider';
const BIN = '/usr/libexec/kubelet-credential-provider';
const CONFIG = `${FOLDER}/config.yaml`;
/** kubelet.config.k8s.io/v1 and credentialprovider.kubelet.k8s.io/v1 came with 1.26. */
const FIRST_MINOR = 26;

type Cloud = keyof typeof PROVIDERS;
const CLOUDS = Object.keys(PROVIDERS) as readonly Cloud[];

function providerSchema(provider: Provider) {
  return z
    .strictObject({
      version: releaseSchema
        .optional()
        .describe(`Release of ${provider.project}; default: the newest known that is not newer than Kubernetes`),
      sha256: sha256Schema.optional().describe('Digest of its file, for a version that is not known'),
      base: z
        .url({ protocol: /^https?$/ })
        .default(provider.base)
        .describe('What stands before /v<version>/…'),
      images: z
        .array(z.string().min(1))
        .min(1)
        .default([...provider.images])
        .describe('Images it is asked about'),
      args: z
        .array(z.string())
        .default([...provider.args])
        .describe('Its arguments'),
      environment: z
        .record(z.string().regex(/^[A-Za-z_]\w*$/, 'must be a variable name'), z.string())
        .default({})
        .describe('Its environment, such as AWS_PROFILE'),
      cacheDuration: z
        .string()
        .regex(/^(\d+(h|m|s))+$/, 'must look like 12h')
        .default(provider.cacheDuration)
        .describe('How long the kubelet keeps what it answers, unless it says so itself'),
    })
    .optional()
    .describe(`Logins for ${provider.images.join(', ')} by ${provider.program}`);
}

const params = z.strictObject({
  ecr: providerSchema(PROVIDERS.ecr),
  gcr: providerSchema(PROVIDERS.gcr),
  acr: providerSchema(PROVIDERS.acr),
});

type Params = z.output<typeof params>;
type Settings = NonNullable<Params[Cloud]>;

/**
 * Lets the kubelet get logins for a cloud's registry from the machine's own identity, with no secret in the cluster
 * (kubernetes.io, tasks/administer-cluster/kubelet-credential-provider).
 */
export const credentialProvider = defineRecipe({
  name: 'credential-provider',
  summary: 'logins for ECR, GCR and ACR by the machine’s own identity',
  params,
  optional: true,
  after: ['kubernetes'],
  validate: (context, params) => issues(context, params),
  steps: (context, params) => [
    { kind: 'directory', path: FOLDER },
    ...chosen(params).map(([cloud, settings]): Action => {
      const path = `${BIN}/${PROVIDERS[cloud].program}`;
      return { kind: 'download', download: download(cloud, settings, context), path, mode: '0755' };
    }),
    { kind: 'file', path: CONFIG, text: configuration(params) },
    { kind: 'file', path: '/etc/systemd/system/kubelet.service.d/25-kib-credential-provider.conf', text: DROP_IN },
    // Which makes systemd read it.
    { kind: 'service', unit: 'kubelet.service', enabled: true },
  ],
  checks: (context, params) => [programCheck(context, params), kubeletCheck],
});

function chosen(params: Params): readonly (readonly [Cloud, Settings])[] {
  return CLOUDS.flatMap((cloud) => {
    const settings = params[cloud];
    return settings === undefined ? [] : [[cloud, settings] as const];
  });
}

function issues(context: RecipeContext, params: Params) {
  const { kubernetes } = context;
  const path = 'recipes.credential-provider';
  if (kubernetes === undefined) return [{ path, message: 'needs Kubernetes, which is left out' }];
  if (minorOf(kubernetes.version) < FIRST_MINOR) {
    return [{ path, message: `needs Kubernetes 1.${FIRST_MINOR} or newer, got ${kubernetes.version}` }];
  }
  if (chosen(params).length === 0) {
    return [{ path, message: 'names no cloud', hint: `add ${CLOUDS.join(', ')}` }];
  }
  return chosen(params).flatMap(([cloud, settings]) => {
    if (pinOf(cloud, settings, context) !== undefined) return [];
    const { project, pins } = PROVIDERS[cloud];
    const version = versionOf(cloud, settings, context);
    return [
      {
        path: `${cloud}.version`,
        message: `no digest is known for ${project} ${version}`,
        hint: `set recipes.credential-provider.${cloud}.sha256, or take one of ${known(pins)}`,
      },
    ];
  });
}

/** Projects number their releases after the Kubernetes they go with, but for Google's; a kubelet takes an older one too. */
function versionOf(cloud: Cloud, { version }: Settings, { kubernetes }: RecipeContext): string {
  const versions = [...PROVIDERS[cloud].pins.keys()];
  const minor = kubernetes === undefined ? Number.POSITIVE_INFINITY : minorOf(kubernetes.version);
  const fitting = cloud === 'gcr' ? versions : versions.filter((known) => minorOf(known) <= minor);
  return version ?? fitting[0] ?? versions.at(-1) ?? '';
}

function pinOf(cloud: Cloud, settings: Settings, context: RecipeContext): string | undefined {
  return settings.sha256 ?? PROVIDERS[cloud].pins.get(versionOf(cloud, settings, context))?.[context.arch];
}

function download(cloud: Cloud, settings: Settings, context: RecipeContext): Download {
  const { file, program } = PROVIDERS[cloud];
  const sha256 = pinOf(cloud, settings, context);
  const url = `${settings.base.replace(/\/$/, '')}/${file(versionOf(cloud, settings, context), context.arch)}`;
  return { url, why: `credential-provider: ${program}`, ...(sha256 === undefined ? {} : { sha256 }) };
}

/** kubelet.config.k8s.io/v1, CredentialProviderConfig; JSON is YAML, and needs no rules for quotes. */
function configuration(params: Params): string {
  const providers = chosen(params).map(([cloud, { images, args, environment, cacheDuration }]) => ({
    name: PROVIDERS[cloud].program,
    apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
    matchImages: images,
    defaultCacheDuration: cacheDuration,
    ...(args.length === 0 ? {} : { args }),
    ...(Object.keys(environment).length === 0
      ? {}
      : { env: Object.entries(environment).map(([name, value]) => ({ name, value })) }),
  }));
  const document = { apiVersion: 'kubelet.config.k8s.io/v1', kind: 'CredentialProviderConfig', providers };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

const FLAGS = `--image-credential-provider-config=${CONFIG} --image-credential-provider-bin-dir=${BIN}`;

/**
 * They are flags only, no fields of KubeletConfiguration, and KUBELET_EXTRA_ARGS is the administrator's. So they go behind what kubeadm's own
 * drop-in (kubernetes/release, 10-kubeadm.conf) has said under this name since 1.11.
 */
const DROP_IN = `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf ${FLAGS}"
`;

function programCheck(context: RecipeContext, params: Params): Check {
  const sums = chosen(params).map(
    ([cloud, settings]) => `${pinOf(cloud, settings, context) ?? ''}  ${BIN}/${PROVIDERS[cloud].program}`,
  );
  return {
    name: 'credential-provider/programs',
    title: `the kubelet’s programs for ${chosen(params)
      .map(([cloud]) => cloud.toUpperCase())
      .join(', ')} are there`,
    script: sh`
      printf '%s\n' ${sums} | sha256sum --check --quiet
      find ${BIN} -type f ! -perm -0555
    `,
    expect: { kind: 'equals', text: '' },
    when: ['build', 'boot'],
  };
}

const kubeletCheck: Check = {
  name: 'credential-provider/kubelet',
  title: 'the kubelet is started with them',
  script: sh`
    systemctl show --property ExecStart kubelet.service | grep -Fq '$KUBELET_KUBECONFIG_ARGS'
    systemctl show --property Environment kubelet.service
  `,
  expect: { kind: 'matches', pattern: FLAGS.replaceAll('.', '\\.') },
  when: ['build', 'boot'],
};
