import {
  type Action,
  type Arch,
  type Download,
  defineRecipe,
  type KubernetesSpec,
  kubernetesSchema,
  type OsDefinition,
  type RecipeContext,
  sh,
} from '../src/core/index.ts';
import { KUBEADM, KUBECTL, KUBELET } from './data/kubernetes.ts';
import { KUBERNETES_KEY } from './data/kubernetes-key.ts';
import {
  blankCheck,
  completionsCheck,
  configDirCheck,
  extraArgsCheck,
  preflightChecks,
  sizingCheck,
  versionCheck,
} from './kubernetes-checks.ts';
import {
  configDirDropIn,
  KUBELET_CONFIG_DIR,
  KUBELET_UNIT,
  kubeadmDropIn,
  PROFILE,
  runtimeDropIn,
  SIZING,
  SIZING_DROP_IN,
  SIZING_SCRIPT,
} from './kubernetes-files.ts';
import { kubernetesIssues } from './kubernetes-issues.ts';
import { releaseFolder, releaseRoot } from './kubernetes-release.ts';
import { runtimeOf } from './runtime.ts';
import { minorOf, seriesOf } from './versions.ts';

const BINARIES = ['kubelet', 'kubeadm', 'kubectl'] as const;
/** What of pkgs.k8s.io a node has; also what must not move with a plain upgrade. */
const PACKAGES = [...BINARIES, 'kubernetes-cni', 'cri-tools'];
const PINS = { kubelet: KUBELET, kubeadm: KUBEADM, kubectl: KUBECTL } as const;
const OFFICIAL = 'https://dl.k8s.io';
const ENVIRONMENT_FILE: Readonly<Record<OsDefinition['family'], string>> = {
  debian: '/etc/default/kubelet',
  rhel: '/etc/sysconfig/kubelet',
  photon: '/etc/sysconfig/kubelet',
};
const DROP_INS = '/etc/systemd/system/kubelet.service.d';

/** kubelet, kubeadm and kubectl. Its parameters are the image's own `kubernetes` settings. */
export const kubernetes = defineRecipe<KubernetesSpec>({
  name: 'kubernetes',
  summary: 'kubelet, kubeadm and kubectl of one release',
  params: kubernetesSchema,
  after: ['node', 'containerd', 'crio', 'cni'],
  validate: kubernetesIssues,
  repositories: (_context, { source, repository, repositoryKey, version }) => {
    if (source !== 'pkg') return [];
    const folder = `${repository.replace(/\/$/, '')}/core:/stable:/${seriesOf(version)}`;
    return [
      {
        name: 'kubernetes',
        title: `Kubernetes ${seriesOf(version)}`,
        key: repositoryKey ?? KUBERNETES_KEY,
        apt: { uri: `${folder}/deb/`, suite: '/', components: [] },
        rpm: { baseurl: `${folder}/rpm/`, exclude: PACKAGES },
      },
    ];
  },
  packages: ({ os }, { source, version, packageVersion }) => {
    if (source !== 'pkg') return [];
    // The revision behind the hyphen counts rebuilds of the same release.
    const exact = packageVersion ?? (os.packageManager === 'apt' ? `${version.slice(1)}-*` : version.slice(1));
    return PACKAGES.map((name) => (BINARIES.some((binary) => binary === name) ? { name, version: exact } : { name }));
  },
  steps: (context, params) => [
    ...(params.source === 'pkg' ? [] : installBinaries(context, params)),
    { kind: 'directory', path: '/etc/kubernetes/manifests' },
    { kind: 'file', path: '/etc/kubernetes-version', text: `${params.version}\n` },
    ...kubeletFiles(context, params),
    { kind: 'file', path: '/etc/profile.d/kubernetes.sh', text: PROFILE },
    ...(params.completions ? [writeCompletions] : []),
    // Others keep them back by the repository's exclude, which an explicit upgrade lifts.
    ...(params.source === 'pkg' && context.os.packageManager === 'apt' ? [{ kind: 'hold', packages: PACKAGES } as const] : []),
    // Without kubeadm's configuration it would only restart for ever.
    { kind: 'service', unit: 'kubelet.service', enabled: true, state: 'stopped' },
  ],
  checks: (context, { version, preflight, resourceSizing, kubeletConfig, kubeletExtraArgs, completions }) => [
    versionCheck('kubelet', sh`kubelet --version`, `Kubernetes ${version}`),
    versionCheck('kubeadm', sh`kubeadm version --output short`, version),
    versionCheck('kubectl', sh`kubectl version --client | sed -n 's/^Client Version: //p'`, version),
    {
      name: 'kubernetes/enabled',
      title: 'kubelet starts at boot',
      script: sh`systemctl is-enabled kubelet.service`,
      expect: { kind: 'equals', text: 'enabled' },
      when: ['build', 'boot'],
    },
    ...(isNodeOnBoot(context) ? [] : [blankCheck]),
    {
      name: 'kubernetes/version-file',
      title: `/etc/kubernetes-version says ${version}`,
      script: sh`cat /etc/kubernetes-version`,
      expect: { kind: 'equals', text: version },
      when: ['build', 'boot'],
    },
    ...(kubeletExtraArgs.length > 0 ? [extraArgsCheck(kubeletExtraArgs, ENVIRONMENT_FILE[context.os.family])] : []),
    ...(resourceSizing || Object.keys(kubeletConfig).length > 0 ? [configDirCheck] : []),
    ...(resourceSizing ? [sizingCheck] : []),
    ...(completions ? [completionsCheck] : []),
    ...preflightChecks(context, version, preflight && !isNodeOnBoot(context)),
  ],
  properties: (_context, { version, source }) => ({ KUBERNETES_SEMVER: version, KUBERNETES_SOURCE_TYPE: source }),
});

/** Whether the first boot itself makes a cluster of the machine, so that nothing of it is as kubeadm init wants it. */
function isNodeOnBoot({ recipes }: RecipeContext): boolean {
  return recipes.includes('kubevirt');
}

function installBinaries({ os, arch }: RecipeContext, params: KubernetesSpec): readonly Action[] {
  return [
    ...BINARIES.map(
      (name): Action => ({ kind: 'download', download: binary(name, arch, params), path: `/usr/bin/${name}`, mode: '0755' }),
    ),
    { kind: 'file', path: '/usr/lib/systemd/system/kubelet.service', text: KUBELET_UNIT },
    {
      kind: 'file',
      path: '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf',
      text: kubeadmDropIn(ENVIRONMENT_FILE[os.family]),
    },
    { kind: 'directory', path: '/var/lib/kubelet' },
  ];
}

/** A copy elsewhere may be another build of the same version, so only the official one is held to our pins. */
function binary(name: (typeof BINARIES)[number], arch: Arch, spec: KubernetesSpec): Download {
  const file = `${releaseFolder(arch, spec)}/${name}`;
  const pin = releaseRoot(spec) === OFFICIAL ? PINS[name].get(spec.version.slice(1))?.[arch] : undefined;
  const why = `kubernetes: ${name}`;
  return pin === undefined ? { url: file, checksumUrl: `${file}.sha256`, why } : { url: file, sha256: pin, why };
}

/** How kubelet is started and configured besides what kubeadm writes; in /etc, where no package update takes it back. */
function kubeletFiles(context: RecipeContext, params: KubernetesSpec): readonly Action[] {
  const { kubeletExtraArgs, kubeletConfig, resourceSizing, version } = params;
  const runtime = runtimeOf(context);
  const hasConfig = Object.keys(kubeletConfig).length > 0;
  const header = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' };
  return [
    {
      kind: 'file',
      path: ENVIRONMENT_FILE[context.os.family],
      text: `KUBELET_EXTRA_ARGS=${kubeletExtraArgs.join(' ')}\n`,
    },
    ...(runtime === undefined ? [] : [file(`${DROP_INS}/20-kib-runtime.conf`, runtimeDropIn(runtime.unit))]),
    ...(hasConfig || resourceSizing ? [file(`${DROP_INS}/20-kib-config-dir.conf`, configDirDropIn(minorOf(version)))] : []),
    // kubelet reads every file of the folder whose name ends in .conf, as YAML, which JSON is; it wants one to be there.
    ...(hasConfig
      ? [file(`${KUBELET_CONFIG_DIR}/50-kib.conf`, `${JSON.stringify({ ...header, ...kubeletConfig }, undefined, 2)}\n`)]
      : []),
    ...(resourceSizing
      ? [
          { kind: 'directory', path: KUBELET_CONFIG_DIR } as const,
          { kind: 'file', path: SIZING, text: SIZING_SCRIPT, mode: '0755' } as const,
          file(`${DROP_INS}/20-kib-resource-sizing.conf`, SIZING_DROP_IN),
        ]
      : []),
  ];
}

function file(path: string, text: string): Action {
  return { kind: 'file', path, text };
}

const writeCompletions: Action = {
  kind: 'exec',
  title: 'write what bash needs to complete kubectl, kubeadm and crictl',
  script: sh`
    folder=/usr/share/bash-completion/completions
    mkdir -p "$folder"
    for command in kubectl kubeadm crictl; do
      if command -v "$command" >/dev/null; then "$command" completion bash >"$folder/$command"; fi
    done
  `,
  timeoutMs: 120_000,
};
