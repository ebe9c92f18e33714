import { minorOf } from './versions.ts';

/** kubeadm's constants.PauseVersion by minor; the newest known for what is newer. */
const PAUSE: readonly (readonly [minor: number, version: string])[] = [
  [36, '3.10.2'],
  [34, '3.10.1'],
  [0, '3.10'],
];

/** The pause image kubeadm of that release pulls; of the newest release known when the image has no Kubernetes. */
export function pauseImage(kubernetesVersion: string | undefined): string {
  const minor = kubernetesVersion === undefined ? Number.POSITIVE_INFINITY : minorOf(kubernetesVersion);
  const version = PAUSE.find(([since]) => minor >= since)?.[1] ?? '3.10';
  return `registry.k8s.io/pause:${version}`;
}

/** containerd-config.toml(5); version 2 for containerd 1.x, 3 for 2.x. */
export function configToml(version: 2 | 3, pauseImage: string): string {
  const header = `version = ${version}\nimports = ["/etc/containerd/conf.d/*.toml"]\n`;
  // An unset bin_dir of Debian's build would be /usr/lib/cni, where no plugin that Kubernetes brings is found.
  if (version === 2) {
    return `${header}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
`;
  }
  return `${header}
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${pauseImage}"

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = true
`;
}

/** Release archives hold programs only. */
export const UNIT = `[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity

[Install]
WantedBy=multi-user.target
`;

/** What a node wants of containerd wherever it came from: never killed for want of memory, no limit on tasks. */
export function dropIn(limitNofile: number | undefined): string {
  const limit = limitNofile === undefined ? '' : `LimitNOFILE=${limitNofile}\n`;
  return `[Service]\nOOMScoreAdjust=-999\nTasksMax=infinity\n${limit}`;
}
