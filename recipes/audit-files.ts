import type { KubernetesSpec } from '../src/core/index.ts';
import type { Runtime } from './runtime.ts';
import { minorOf } from './versions.ts';

export const POLICY = '/etc/kubernetes/audit-policy.yaml';
export const SAMPLE = '/usr/local/share/kib/kubeadm-audit.yaml';
export const API_LOG = '/var/log/kubernetes/audit';

/** Files of each runtime, wherever it came from. A watch of a file that is not there yet is fine, its folder must be. */
const OF_RUNTIME: Readonly<
  Record<
    Runtime['name'],
    { readonly settings: readonly string[]; readonly programs: readonly string[]; readonly state: readonly string[] }
  >
> = {
  containerd: {
    settings: [
      '/etc/containerd',
      '/etc/crictl.yaml',
      '/etc/systemd/system/containerd.service',
      '/etc/systemd/system/containerd.service.d',
      '/usr/lib/systemd/system/containerd.service',
    ],
    programs: ['containerd', 'containerd-shim-runc-v2', 'ctr', 'runc'],
    state: ['/run/containerd', '/var/lib/containerd'],
  },
  crio: {
    settings: [
      '/etc/crio',
      '/etc/containers',
      '/etc/crictl.yaml',
      '/etc/systemd/system/crio.service.d',
      '/usr/lib/systemd/system/crio.service',
    ],
    programs: ['crio', 'pinns', 'conmon', 'conmonrs', 'crun', 'runc'],
    state: ['/run/crio', '/var/lib/crio'],
  },
};

const KUBERNETES_SETTINGS = [
  '/etc/kubernetes',
  '/etc/cni/net.d',
  '/etc/default/kubelet',
  '/etc/systemd/system/kubelet.service.d',
  '/usr/lib/systemd/system/kubelet.service',
  '/usr/lib/systemd/system/kubelet.service.d',
  '/var/lib/kubelet/config.yaml',
];
const KUBERNETES_PROGRAMS = ['kubeadm', 'kubectl', 'kubelet'];

/** Where packages and release archives put programs; CRI-O's have a folder of their own besides. */
const BINARY_FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'];
const CRIO_FOLDER = '/usr/libexec/crio';

interface RuleSet {
  readonly key: string;
  readonly settings: readonly string[];
  readonly programs: readonly string[];
  readonly state: readonly string[];
}

export function ruleSets(runtime: Runtime | undefined, hasKubernetes: boolean): readonly RuleSet[] {
  return [
    ...(runtime === undefined ? [] : [{ key: runtime.name, ...OF_RUNTIME[runtime.name] }]),
    ...(hasKubernetes
      ? [{ key: 'kubernetes', settings: KUBERNETES_SETTINGS, programs: KUBERNETES_PROGRAMS, state: ['/opt/cni/bin'] }]
      : []),
  ];
}

/**
 * Watches (auditctl(8), -w): changes of settings and programs, runs of the programs people run; with `everything` also each reading and what
 * the runtime does with its own state, as image-builder's containerd rules do, which writes several records per container.
 */
export function watchesOf({ key, settings, programs, state }: RuleSet, everything: boolean): readonly string[] {
  const folders = key === 'crio' ? [...BINARY_FOLDERS, CRIO_FOLDER] : BINARY_FOLDERS;
  const binaries = folders.flatMap((folder) => programs.map((program) => `${folder}/${program}`));
  return [
    ...settings.map((path) => `-w ${path} -p ${everything ? 'rwa' : 'wa'} -k ${key}`),
    ...binaries.map((path) => `-w ${path} -p ${everything ? 'rwxa' : isForPeople(path) ? 'wxa' : 'wa'} -k ${key}`),
    ...(everything ? state.map((path) => `-w ${path} -p rwxa -k ${key}`) : []),
  ];
}

/** kubelet and the runtimes start themselves and their helpers all the time. */
function isForPeople(path: string): boolean {
  return /\/(ctr|kubeadm|kubectl)$/.test(path);
}

/**
 * audit.k8s.io/v1 ("Auditing" in the Kubernetes documentation): first match wins. Who did what to everything; whole objects where rights change,
 * never the content of secrets, and nothing of what components ask each other all day.
 */
export const POLICY_TEXT = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    nonResourceURLs: [/healthz*, /livez*, /readyz*, /version, /openapi*]
  - level: None
    users: ['system:kube-proxy']
    verbs: [watch]
    resources:
      - group: ''
        resources: [endpoints, services, services/status]
      - group: discovery.k8s.io
        resources: [endpointslices]
  - level: None
    userGroups: ['system:nodes']
    verbs: [get]
    resources:
      - group: ''
        resources: [nodes, nodes/status]
  - level: None
    resources:
      - group: coordination.k8s.io
        resources: [leases]
      - group: ''
        resources: [events]
      - group: events.k8s.io
        resources: [events]
  - level: Metadata
    resources:
      - group: ''
        resources: [secrets, configmaps, serviceaccounts/token]
      - group: authentication.k8s.io
        resources: [tokenreviews]
  - level: RequestResponse
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - group: rbac.authorization.k8s.io
      - group: admissionregistration.k8s.io
      - group: certificates.k8s.io
  - level: Request
    verbs: [create]
    resources:
      - group: ''
        resources: [pods/exec, pods/attach, pods/portforward, pods/ephemeralcontainers]
  - level: Metadata
`;

/** What kubeadm needs to be told to use the policy, in the form its release reads (kubeadm-config v1beta4 from 1.31). */
export function kubeadmSample(
  { version }: KubernetesSpec,
  { days, count, megabytes }: { days: number; count: number; megabytes: number },
): string {
  const settings: Readonly<Record<string, string>> = {
    'audit-policy-file': POLICY,
    'audit-log-path': `${API_LOG}/audit.log`,
    'audit-log-maxage': String(days),
    'audit-log-maxbackup': String(count),
    'audit-log-maxsize': String(megabytes),
  };
  const isList = minorOf(version) >= 31;
  const args = Object.entries(settings)
    .map(([name, value]) => (isList ? `    - name: ${name}\n      value: '${value}'\n` : `    ${name}: '${value}'\n`))
    .join('');
  return `# Merge into the ClusterConfiguration of kubeadm init to have the API server write an audit log.
apiVersion: kubeadm.k8s.io/${isList ? 'v1beta4' : 'v1beta3'}
kind: ClusterConfiguration
apiServer:
  extraArgs:
${args}  extraVolumes:
    - name: audit-policy
      hostPath: ${POLICY}
      mountPath: ${POLICY}
      pathType: File
      readOnly: true
    - name: audit-log
      hostPath: ${API_LOG}
      mountPath: ${API_LOG}
      pathType: DirectoryOrCreate
`;
}
