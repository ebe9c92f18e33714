import { sh } from '../src/core/index.ts';
import { minorOf } from './versions.ts';

/** What the first boot needs; removed once it is done. */
export const FOLDER = '/usr/libexec/kib-kubevirt';

export const FILES = {
  kubeadm: 'kubeadm.yaml',
  cni: 'cni.yaml',
  kubevirtOperator: 'kubevirt-operator.yaml',
  kubevirt: 'kubevirt-cr.yaml',
  cdiOperator: 'cdi-operator.yaml',
  cdi: 'cdi-cr.yaml',
} as const;

/** kubevirt.io, user-guide/cluster_admin/installation; the operator's namespace is fixed. */
export const KUBEVIRT_CR = `apiVersion: kubevirt.io/v1
kind: KubeVirt
metadata:
  name: kubevirt
  namespace: kubevirt
spec:
  imagePullPolicy: IfNotPresent
`;

/** containerized-data-importer, doc/cdi-config.md; cluster-scoped. */
export const CDI_CR = `apiVersion: cdi.kubevirt.io/v1beta1
kind: CDI
metadata:
  name: cdi
spec:
  imagePullPolicy: IfNotPresent
`;

/** kubeadm-config.v1beta4 (1.31) and v1beta3. No taints: the only node is to run machines. */
export function kubeadmConfig(options: {
  readonly version: string;
  readonly socket: string;
  readonly podSubnet: string;
  readonly serviceSubnet: string;
  readonly imageRepository: string;
}): string {
  const { version, socket, podSubnet, serviceSubnet, imageRepository } = options;
  const api = `kubeadm.k8s.io/${minorOf(version) >= 31 ? 'v1beta4' : 'v1beta3'}`;
  return `apiVersion: ${api}
kind: InitConfiguration
nodeRegistration:
  criSocket: ${socket}
  imagePullPolicy: IfNotPresent
  taints: []
---
apiVersion: ${api}
kind: ClusterConfiguration
kubernetesVersion: ${version}
imageRepository: ${imageRepository}
networking:
  podSubnet: ${podSubnet}
  serviceSubnet: ${serviceSubnet}
`;
}

/** Places of this machine that the script looks at or writes to. */
const PLACES = {
  folder: FOLDER,
  state: '/var/lib/kib-kubevirt',
  kubeconfig: '/etc/kubernetes/admin.conf',
  rootConfig: '/root/.kube/config',
  motd: '/etc/motd.d/kubevirt',
  cpuinfo: '/proc/cpuinfo',
  kvm: '/dev/kvm',
};
export type Places = typeof PLACES;

/**
 * What runs on first boot. It may be run again after it failed or the machine died: a cluster that was not finished is taken down, a finished
 * one is gone on with, since applying twice is applying once. Every wait ends after `waitSeconds`.
 */
export function installScript(options: { readonly waitSeconds: number; readonly cdi: boolean }, places: Places = PLACES): string {
  const { waitSeconds, cdi } = options;
  const body = sh`
    folder=${places.folder}
    state=${places.state}
    motd=${places.motd}
    export KUBECONFIG=${places.kubeconfig}

    say() {
      mkdir -p "$(dirname "$motd")"
      printf 'KubeVirt: %s\n' "$*" >"$motd"
      echo "$*"
    }

    # Tries a command until it succeeds; the first words say what is waited for.
    within() {
      what=$1
      shift
      say "waiting for $what"
      end=$(($(date +%s) + ${waitSeconds}))
      until "$@" >/dev/null 2>"$state/last"; do
        if [ "$(date +%s)" -ge "$end" ]; then
          cat "$state/last" >&2
          say "not ready: waited ${waitSeconds} s for $what; journalctl -u kib-first-boot says more" >&2
          exit 1
        fi
        sleep 2
      done
    }

    has() {
      kubectl wait --for=condition="$1" --timeout=5s "$2" --namespace "$3"
    }

    apply() {
      within "the manifest $1 to be taken" kubectl apply --server-side --force-conflicts --filename "$folder/$1"
    }

    mkdir -p "$state"
    if [ ! -e "$state/initialised" ]; then
      if [ -e "$state/started" ]; then kubeadm reset --force; fi
      : >"$state/started"
      say "making a cluster of this machine, $(uname -n)"
      kubeadm init --config "$folder/${FILES.kubeadm}"
      : >"$state/initialised"
    fi
    install -D -m 0600 "$KUBECONFIG" ${places.rootConfig}

    within 'the API server' kubectl get --raw /readyz
    apply ${FILES.cni}
    within 'the node' kubectl wait --for=condition=Ready --timeout=5s node --all

    apply ${FILES.kubevirtOperator}
    within 'the operator of KubeVirt' has Available deployment/virt-operator kubevirt
    within 'the types of KubeVirt' has Established crd/kubevirts.kubevirt.io default
    apply ${FILES.kubevirt}
    if [ ! -c ${places.kvm} ] || { [ "$(uname -m)" = x86_64 ] && ! grep -Eqw 'vmx|svm' ${places.cpuinfo}; }; then
      say 'no hardware virtualisation here: machines will be emulated'
      within 'its settings to be taken' kubectl patch kubevirt kubevirt --namespace kubevirt --type merge \
        --patch '{"spec":{"configuration":{"developerConfiguration":{"useEmulation":true}}}}'
    fi
    within 'KubeVirt' has Available kubevirt/kubevirt kubevirt
  `;
  const importer = sh`

    apply ${FILES.cdiOperator}
    within 'the operator of the data importer' has Available deployment/cdi-operator cdi
    within 'the types of the data importer' has Established crd/cdis.cdi.kubevirt.io default
    apply ${FILES.cdi}
    within 'the data importer' has Available cdi/cdi cdi
  `;
  const end = sh`

    rm -rf "$folder" "$state"
    say "ready on $(uname -n); kubectl works for root"
  `;
  return `#!/bin/sh\nset -eu\n${[body, ...(cdi ? [importer] : []), end].map(({ text }) => text).join('\n')}\n`;
}
