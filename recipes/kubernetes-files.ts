// As in the packages of pkgs.k8s.io (kubernetes/release, cmd/krel/templates/latest).

export const KUBELET_UNIT = `[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
`;

/** `environmentFile` is where an administrator sets KUBELET_EXTRA_ARGS. */
export function kubeadmDropIn(environmentFile: string): string {
  return `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# Written by kubeadm init and kubeadm join.
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-${environmentFile}
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`;
}

/** Where kubelet looks for more configuration (--config-dir; Kubernetes docs, "Set Kubelet Parameters Via A Configuration File"). */
export const KUBELET_CONFIG_DIR = '/etc/kubernetes/kubelet.conf.d';

/** Later than kubeadm's, so that this value counts. Before 1.30 the folder was an experiment that had to be asked for. */
export function configDirDropIn(minor: number): string {
  const alpha = minor < 30 ? 'Environment="KUBELET_CONFIG_DROPIN_DIR_ALPHA=true"\n' : '';
  return `[Service]
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml --config-dir=${KUBELET_CONFIG_DIR}"
${alpha}`;
}

/** Nothing to wait for at boot would be a runtime that is still starting. */
export function runtimeDropIn(unit: string): string {
  return `[Unit]\nWants=${unit}\nAfter=${unit}\n`;
}

export const SIZING = '/usr/libexec/kubernetes/kubelet-resource-sizing';
const SIZING_CONFIG = `${KUBELET_CONFIG_DIR}/90-kib-resource-sizing.conf`;
export const SIZING_DROP_IN = `[Service]\nExecStartPre=${SIZING} ${SIZING_CONFIG}\n`;

/**
 * What Google Kubernetes Engine reserves (its docs, "Plan node sizes"): of memory 25 % of the first 4 GiB, 20 % of the next 4, 10 % of the
 * next 8, 6 % of the next 112 and 2 % of the rest, and 255 MiB of machines below 1 GiB; of CPUs 6 % of the first, 1 % of the second, 0.5 %
 * of the next two and 0.25 % of the others. Like kubernetes-sigs/image-builder's it stays out of the way of a systemReserved of somebody else.
 */
export const SIZING_SCRIPT = `#!/bin/sh
# kubelet-resource-sizing FILE [MIB CPUS]: writes what this machine reserves for the system into a part of kubelet's configuration.
set -eu
file=$1
memory=\${2:-$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)}
cpus=\${3:-$(nproc)}

for other in /var/lib/kubelet/config.yaml "$(dirname "$file")"/*.conf; do
  if [ "$other" = "$file" ] || [ ! -f "$other" ]; then continue; fi
  if grep -Eq '"?systemReserved"?[[:space:]]*:' "$other"; then
    rm -f "$file"
    exit 0
  fi
done

# share PERCENT SIZE: reserves so much of the next SIZE MiB, in hundredths of a MiB
left=$memory
hundredths=0
share() {
  part=$left
  if [ "$part" -gt "$2" ]; then part=$2; fi
  hundredths=$((hundredths + part * $1))
  left=$((left - part))
}
if [ "$memory" -lt 1024 ]; then
  mib=255
else
  share 25 4096
  share 20 4096
  share 10 8192
  share 6 114688
  share 2 "$left"
  mib=$(((hundredths + 99) / 100))
fi

# in tenths of a thousandth of a CPU
tenths=600
if [ "$cpus" -gt 1 ]; then tenths=$((tenths + 100)); fi
if [ "$cpus" -gt 2 ]; then tenths=$((tenths + 50)); fi
if [ "$cpus" -gt 3 ]; then tenths=$((tenths + 50)); fi
if [ "$cpus" -gt 4 ]; then tenths=$((tenths + (cpus - 4) * 25)); fi

mkdir -p "$(dirname "$file")"
cat >"$file.new" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
systemReserved:
  cpu: $(((tenths + 9) / 10))m
  memory: \${mib}Mi
EOF
mv "$file.new" "$file"
`;

/** For people who log in to a control plane. */
export const PROFILE = `# kubectl finds the cluster by itself; k is short for it.
if [ -n "\${BASH_VERSION-}" ] && [ -n "\${PS1-}" ]; then
  for config in /etc/kubernetes/super-admin.conf /etc/kubernetes/admin.conf; do
    if [ -r "$config" ]; then
      export KUBECONFIG="\${KUBECONFIG:-$config}"
      break
    fi
  done
  unset config
  alias k=kubectl
  if declare -F __load_completion >/dev/null && __load_completion kubectl; then complete -o default -F __start_kubectl k; fi
fi
`;
