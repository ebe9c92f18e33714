import { pathToFileURL } from 'node:url';
import {
  type Action,
  type Arch,
  type Check,
  type Download,
  defineRecipe,
  type KubernetesSpec,
  kubernetesSchema,
  type OsDefinition,
  type RecipeContext,
  raw,
  sh,
} from '../src/core/index.ts';
import { KUBEADM, KUBECTL, KUBELET } from './data/kubernetes.ts';
import { KUBERNETES_KEY } from './data/kubernetes-key.ts';
import { KUBELET_UNIT, kubeadmDropIn } from './kubernetes-files.ts';
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
const PREFLIGHT_TIMEOUT_MS = 180_000;

/** kubelet, kubeadm and kubectl. Its parameters are the image's own `kubernetes` settings. */
export const kubernetes = defineRecipe<KubernetesSpec>({
  name: 'kubernetes',
  summary: 'kubelet, kubeadm and kubectl of one release',
  params: kubernetesSchema,
  after: ['node', 'containerd', 'cni'],
  validate: (_context, { source, dir, version, repository }) => [
    ...(source === 'dir' && dir?.startsWith('/') !== true
      ? [
          {
            path: 'kubernetes.dir',
            message: dir === undefined ? 'is required for source dir' : `must be an absolute path, got ${dir}`,
            hint: 'the folder that holds release/v1.x.y/bin/linux/…',
          },
        ]
      : []),
    ...(source === 'pkg' && version.includes('-')
      ? [
          {
            path: 'kubernetes.version',
            message: `pkgs.k8s.io has no stable package of ${version}`,
            hint: 'use kubernetes.source http',
          },
        ]
      : []),
    ...(source === 'pkg' && new URL(repository).username !== ''
      ? [
          {
            path: 'kubernetes.repository',
            message: 'holds a login, which every machine of the image could read',
            hint: 'use kubernetes.source http or dir: this host fetches their files, and the login stays here',
          },
        ]
      : []),
  ],
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
  packages: ({ os }, { source, version }) => {
    if (source !== 'pkg') return [];
    // The revision behind the hyphen counts rebuilds of the same release.
    const exact = os.packageManager === 'apt' ? `${version.slice(1)}-*` : version.slice(1);
    return PACKAGES.map((name) => (BINARIES.some((binary) => binary === name) ? { name, version: exact } : { name }));
  },
  steps: (context, params) => [
    ...(params.source === 'pkg' ? [] : installBinaries(context, params)),
    { kind: 'directory', path: '/etc/kubernetes/manifests' },
    // dnf keeps them back by the repository's exclude, which an explicit upgrade lifts.
    ...(params.source === 'pkg' && context.os.packageManager === 'apt' ? [{ kind: 'hold', packages: PACKAGES } as const] : []),
    // Without kubeadm's configuration it would only restart for ever.
    { kind: 'service', unit: 'kubelet.service', enabled: true, state: 'stopped' },
  ],
  checks: (_context, { version, preflight }) => [
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
    {
      name: 'kubernetes/blank',
      title: 'the node belongs to no cluster',
      script: sh`ls -d /etc/kubernetes/*.conf /etc/kubernetes/pki /var/lib/kubelet/config.yaml 2>/dev/null || :`,
      expect: { kind: 'equals', text: '' },
      when: ['boot'],
    },
    ...(preflight ? [preflightCheck(version)] : []),
  ],
  properties: (_context, { version, source }) => ({ KUBERNETES_SEMVER: version, KUBERNETES_SOURCE_TYPE: source }),
});

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
    { kind: 'file', path: ENVIRONMENT_FILE[os.family], text: 'KUBELET_EXTRA_ARGS=\n' },
    { kind: 'directory', path: '/var/lib/kubelet' },
  ];
}

/** A copy elsewhere may be another build of the same version, so only the official one is held to our pins. */
function binary(name: (typeof BINARIES)[number], arch: Arch, { source, url, dir = '/', version }: KubernetesSpec): Download {
  const root = (source === 'dir' ? pathToFileURL(dir).href : url).replace(/\/$/, '');
  const file = `${root}/release/${version}/bin/linux/${arch}/${name}`;
  const pin = root === OFFICIAL ? PINS[name].get(version.slice(1))?.[arch] : undefined;
  const why = `kubernetes: ${name}`;
  return pin === undefined ? { url: file, checksumUrl: `${file}.sha256`, why } : { url: file, sha256: pin, why };
}

function versionCheck(name: string, script: Check['script'], text: string): Check {
  return {
    name: `kubernetes/${name}`,
    title: `${name} is ${text.replace(/^Kubernetes /, '')}`,
    script,
    expect: { kind: 'equals', text },
    when: ['build', 'boot'],
  };
}

/** What kubeadm init looks at first. Images may be missing, and the machine of the verdict may be small; nothing else may be wrong. */
function preflightCheck(version: string): Check {
  // v1beta4 came with 1.31; nodeRegistration.imagePullPolicy is older.
  const api = `kubeadm.k8s.io/${minorOf(version) >= 31 ? 'v1beta4' : 'v1beta3'}`;
  return {
    name: 'kubernetes/preflight',
    title: 'kubeadm init would start here',
    script: sh`
      config=$(mktemp)
      trap 'rm -f "$config"' EXIT
      cat >"$config" <<'EOF'
      apiVersion: ${raw(api)}
      kind: InitConfiguration
      nodeRegistration:
        criSocket: unix:///run/containerd/containerd.sock
        imagePullPolicy: Never
      ---
      apiVersion: ${raw(api)}
      kind: ClusterConfiguration
      kubernetesVersion: ${raw(version)}
      EOF
      kubeadm init phase preflight --config "$config" --ignore-preflight-errors=NumCPU,Mem
    `,
    expect: { kind: 'success' },
    when: ['boot'],
    timeoutMs: PREFLIGHT_TIMEOUT_MS,
  };
}
