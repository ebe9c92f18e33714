import { lines, raw, type Sh, sh } from '../../src/core/index.ts';
import { KUBELET_CONFIG_DIR } from '../kubernetes-files.ts';
import { type Control, type FileMode, KUBERNETES_1_24, kubernetes } from './control.ts';
import { modesAre, rootOnly, sysctlsAre } from './observe.ts';

export const KUBELET_FILE = `${KUBELET_CONFIG_DIR}/10-kib-hardening.conf`;
export const KUBELET_DROP_IN = '/etc/systemd/system/kubelet.service.d/20-kib-hardening.conf';

/** What kubelet asks of the kernel with protectKernelDefaults (pkg/kubelet/cm/container_manager_linux.go). */
const KERNEL: Readonly<Record<string, string>> = {
  'kernel.keys.root_maxbytes': '25000000',
  'kernel.keys.root_maxkeys': '1000000',
  'kernel.panic': '10',
  'kernel.panic_on_oops': '1',
  'vm.overcommit_memory': '1',
  'vm.panic_on_oom': '0',
};

/** As the benchmark lists them; TLS 1.3 has its own, which cannot be chosen. */
const CIPHER_SUITES = [
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
];

const UNITS: readonly FileMode[] = rootOnly(
  '0600',
  '/usr/lib/systemd/system/kubelet.service',
  '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf',
  KUBELET_DROP_IN,
);

/** Section 4. What kubeadm writes when a node joins (4.1.3 to 4.1.8, 4.2.3) is not in an image. */
export const KUBELET: readonly Control[] = [
  kubernetes('4.1.1', 'only root reads kubelet’s units', { wants: { modes: UNITS }, check: () => modesAre(UNITS) }),
  kubernetes('4.1.2', 'kubelet’s units are root’s', { wants: { modes: UNITS }, check: () => modesAre(UNITS) }),
  kubernetes('4.1.9', 'only root reads kubelet’s configuration', {
    wants: { modes: rootOnly('0600', KUBELET_FILE) },
    // kubeadm writes config.yaml 0644; the unit narrows it whenever it starts.
    check: () => sh`
      ${modesAre(rootOnly('0600', KUBELET_FILE, '/var/lib/kubelet/config.yaml'))}
      systemctl show --property ExecStartPre kubelet.service | grep -q 'chmod.*config.yaml' || echo 'kubelet.service leaves config.yaml as kubeadm made it'
    `,
  }),
  kubernetes('4.1.10', 'kubelet’s configuration is root’s', {
    check: () => modesAre([{ path: KUBELET_FILE, mode: '0777', owners: ['root:root'] }]),
  }),
  setting(
    '4.2.1',
    'kubelet serves nobody without a name',
    { authentication: { anonymous: { enabled: false } } },
    '"Anonymous": { "Enabled": false }',
  ),
  setting(
    '4.2.2',
    'kubelet asks the API server what is allowed',
    { authentication: { webhook: { enabled: true } }, authorization: { mode: 'Webhook' } },
    '"Webhook": { "Enabled": true,',
    '"Mode": "Webhook"',
  ),
  setting('4.2.4', 'kubelet has no port without login', { readOnlyPort: 0 }, '"ReadOnlyPort": 0'),
  setting('4.2.5', 'idle streams end', { streamingConnectionIdleTimeout: '5m0s' }, '"StreamingConnectionIdleTimeout": "5m0s"'),
  kubernetes(
    '4.2.6',
    'kubelet does not run on a kernel that is set otherwise',
    {
      wants: { kubelet: { protectKernelDefaults: true }, sysctls: KERNEL },
      check: () => sh`
        ${sysctlsAre(KERNEL)}
        ${kubeletSays('"ProtectKernelDefaults": true')}
      `,
    },
    KUBERNETES_1_24,
  ),
  setting('4.2.6', 'kubelet makes its iptables chains', { makeIPTablesUtilChains: true }, '"MakeIPTablesUtilChains": true'),
  { ...setting('4.2.8', 'events are recorded', { eventRecordQPS: 50 }, '"EventRecordQPS": 50'), level: 2 },
  setting('4.2.10', 'kubelet renews its certificate', { rotateCertificates: true }, '"RotateCertificates": true'),
  {
    ...setting(
      '4.2.11',
      'kubelet’s serving certificate is the cluster’s',
      { serverTLSBootstrap: true },
      '"ServerTLSBootstrap": true',
    ),
    off: 'somebody has to approve each node’s certificate request',
  },
  setting(
    '4.2.12',
    'kubelet speaks strong ciphers alone',
    { tlsCipherSuites: CIPHER_SUITES },
    `"TLSCipherSuites": [ ${CIPHER_SUITES.map((name) => `"${name}"`).join(', ')} ]`,
  ),
  // OpenShift's default.
  { ...setting('4.2.13', 'a pod has so many processes and no more', { podPidsLimit: 4096 }, '"PodPidsLimit": 4096'), level: 2 },
  setting('4.2.14', 'pods run under the runtime’s seccomp profile', { seccompDefault: true }, '"SeccompDefault": true'),
];

function setting(
  number: string,
  title: string,
  kubelet: Readonly<Record<string, unknown>>,
  ...texts: readonly string[]
): Control {
  return kubernetes(number, title, { wants: { kubelet }, check: () => kubeletSays(...texts) });
}

const CACHE = '/run/kib-kubelet-config';

/**
 * kubelet logs the configuration it will run with before it looks for a cluster, and ends when there is none. It is asked with the opposite
 * of what is wanted in its own file, so that what it says comes from the folder its unit names. Read once, since an emulated start takes seconds.
 */
function kubeletSays(...texts: readonly string[]): Sh {
  return sh`
    if [ ! ${raw(CACHE)} -nt ${raw(KUBELET_FILE)} ]; then
      work=$(mktemp -d)
      trap 'rm -rf "$work"' EXIT
      cat >"$work/config.yaml" <<'EOF'
    apiVersion: kubelet.config.k8s.io/v1beta1
    kind: KubeletConfiguration
    failCgroupV1: false
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
    authorization: { mode: AlwaysAllow }
    readOnlyPort: 10255
    rotateCertificates: false
    EOF
      dir=$(systemctl show --property Environment kubelet.service | sed -n 's/.*--config-dir[= ]\([^ "]*\).*/\1/p')
      kubelet --config "$work/config.yaml" --config-dir "$dir" --kubeconfig "$work/none" --root-dir "$work" --cert-dir "$work/pki" --v 5 2>&1 |
        sed -n '/"KubeletConfiguration" configuration=/,/^[[:space:]]*>/p' | tr -s '[:space:]' ' ' >${raw(CACHE)} || :
    fi
    ${lines(texts.map((text) => sh`grep -Fq ${text} ${raw(CACHE)} || echo ${`kubelet would run without ${text}`}`))}
  `;
}
