import { type Check, type RecipeContext, raw, sh } from '../src/core/index.ts';
import { KUBELET_CONFIG_DIR, SIZING } from './kubernetes-files.ts';
import { type Runtime, runtimeOf } from './runtime.ts';
import { minorOf } from './versions.ts';

const BOTH = ['build', 'boot'] as const;
const PREFLIGHT_TIMEOUT_MS = 180_000;

export function versionCheck(name: string, script: Check['script'], text: string): Check {
  return {
    name: `kubernetes/${name}`,
    title: `${name} is ${text.replace(/^Kubernetes /, '')}`,
    script,
    expect: { kind: 'equals', text },
    when: BOTH,
  };
}

export const blankCheck: Check = {
  name: 'kubernetes/blank',
  title: 'the node belongs to no cluster',
  script: sh`ls -d /etc/kubernetes/*.conf /etc/kubernetes/pki /var/lib/kubelet/config.yaml 2>/dev/null || :`,
  expect: { kind: 'equals', text: '' },
  when: ['boot'],
};

/** As kubelet's unit reads them: systemd.exec(5) takes spaces in EnvironmentFile= without quotes, which a shell does not. */
export function extraArgsCheck(args: readonly string[], environmentFile: string): Check {
  return {
    name: 'kubernetes/extra-args',
    title: `kubelet is started with ${args.join(' ')}`,
    script: sh`
      systemctl show --property EnvironmentFiles kubelet.service | grep -qF ${environmentFile}
      sed -n 's/^KUBELET_EXTRA_ARGS=//p' ${environmentFile}
    `,
    expect: { kind: 'equals', text: args.join(' ') },
    when: BOTH,
  };
}

export const configDirCheck: Check = {
  name: 'kubernetes/config-dir',
  title: `kubelet reads ${KUBELET_CONFIG_DIR}`,
  script: sh`systemctl show --property Environment kubelet.service`,
  expect: { kind: 'matches', pattern: `--config-dir=${KUBELET_CONFIG_DIR}` },
  when: BOTH,
};

export const sizingCheck: Check = {
  name: 'kubernetes/resource-sizing',
  title: 'kubelet reserves memory and CPU by the size of the machine',
  script: sh`
    systemctl show --property ExecStartPre kubelet.service | grep -qF ${SIZING}
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    ${SIZING} "$folder/sizing.conf"
    cat "$folder/sizing.conf"
  `,
  expect: { kind: 'matches', pattern: '^systemReserved:\\n  cpu: \\d+m\\n  memory: \\d+Mi$' },
  when: BOTH,
};

export const completionsCheck: Check = {
  name: 'kubernetes/completions',
  title: 'bash completes kubectl and kubeadm',
  script: sh`
    for command in kubectl kubeadm; do
      bash -c ". /usr/share/bash-completion/completions/$command && declare -F __start_$command"
    done
  `,
  expect: { kind: 'equals', text: '__start_kubectl\n__start_kubeadm' },
  when: ['build'],
};

/** What kubeadm init looks at first, when there is a runtime to look at. */
export function preflightChecks(context: RecipeContext, version: string, wanted: boolean): readonly Check[] {
  const runtime = runtimeOf(context);
  return wanted && runtime !== undefined ? [preflightCheck(version, runtime)] : [];
}

/** Images may be missing, and the machine of the verdict may be small; nothing else may be wrong. */
function preflightCheck(version: string, { socket }: Runtime): Check {
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
        criSocket: ${raw(socket)}
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
