import type { TomlTable } from './toml.ts';

/** Read after 10-crio.conf of CRI-O's packages (crio.conf.d(5)). */
export const CONFIG = '/etc/crio/crio.conf.d/20-kib.conf';

/** containers-policy.json(5): images need no signature, as CRI-O's packages have it. */
export const POLICY = `${JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }, undefined, 2)}\n`;

/** Where conmon, crun and runc are. */
export const HELPERS_FOLDER = '/usr/libexec/crio';

export interface CrioConfig {
  readonly runtime: 'crun' | 'runc';
  readonly pauseImage: string;
  readonly cgroupDriver: 'systemd' | 'cgroupfs';
  readonly selinux: boolean;
  readonly pullProgressTimeout: string | undefined;
}

/** crio.conf(5). */
export function crioConfig({ runtime, pauseImage, cgroupDriver, selinux, pullProgressTimeout }: CrioConfig): TomlTable {
  const runtimeOf = (name: string) => ({
    runtime_path: `${HELPERS_FOLDER}/${name}`,
    runtime_root: `/run/${name}`,
    monitor_path: `${HELPERS_FOLDER}/conmon`,
  });
  return {
    crio: {
      image: {
        signature_policy: '/etc/crio/policy.json',
        pause_image: pauseImage,
        ...(pullProgressTimeout === undefined ? {} : { pull_progress_timeout: pullProgressTimeout }),
      },
      network: { network_dir: '/etc/cni/net.d/', plugin_dirs: ['/opt/cni/bin/'] },
      runtime: {
        default_runtime: runtime,
        cgroup_manager: cgroupDriver,
        // What watches a container must be in the cgroup of its pod where systemd does not make them (crio.conf(5), conmon_cgroup).
        ...(cgroupDriver === 'cgroupfs' ? { conmon_cgroup: 'pod' } : {}),
        ...(selinux ? { selinux: true } : {}),
        runtimes: { crun: runtimeOf('crun'), runc: runtimeOf('runc') },
      },
    },
  };
}

/** As in the bundle, for programs in /usr/local/bin. */
export const CRIO_UNIT = `[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Documentation=https://github.com/cri-o/cri-o
Wants=network-online.target
Before=kubelet.service
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/crio
EnvironmentFile=-/etc/default/crio
Environment=GOTRACEBACK=crash
ExecStart=/usr/local/bin/crio $CRIO_CONFIG_OPTIONS $CRIO_RUNTIME_OPTIONS $CRIO_STORAGE_OPTIONS $CRIO_NETWORK_OPTIONS $CRIO_METRICS_OPTIONS
ExecReload=/bin/kill -s HUP $MAINPID
LimitNPROC=1048576
LimitCORE=infinity
TimeoutStartSec=0
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
Alias=cri-o.service
`;

/**
 * What a node wants of CRI-O wherever it came from. Without that search path CRI-O does not start with a runtime that names no conmon of its own
 * (config.go, ValidateConmonPath), and runtimes that wrap another one do not find it.
 */
export function crioDropIn(limitNofile: number): string {
  const path = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', HELPERS_FOLDER].join(':');
  return `[Service]\nEnvironment=PATH=${path}\nOOMScoreAdjust=-999\nTasksMax=infinity\nLimitNOFILE=${limitNofile}\n`;
}
