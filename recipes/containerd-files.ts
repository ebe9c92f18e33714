import type { KubernetesSpec } from '../src/core/index.ts';
import { mergeToml, type TomlTable, toml } from './toml.ts';
import { minorOf } from './versions.ts';

/** kubeadm's constants.PauseVersion by minor; the newest known for what is newer. */
const PAUSE: readonly (readonly [minor: number, version: string])[] = [
  [36, '3.10.2'],
  [34, '3.10.1'],
  [0, '3.10'],
];

/** The pause image kubeadm of that release pulls; of the newest release known when the image has no Kubernetes. */
export function pauseImage(kubernetes: Pick<KubernetesSpec, 'version' | 'imageRepository'> | undefined): string {
  const minor = kubernetes === undefined ? Number.POSITIVE_INFINITY : minorOf(kubernetes.version);
  const version = PAUSE.find(([since]) => minor >= since)?.[1] ?? '3.10';
  return `${kubernetes?.imageRepository ?? 'registry.k8s.io'}/pause:${version}`;
}

export type ConfigVersion = 2 | 3;

export interface RuntimeConfig {
  readonly sandboxImage: string;
  readonly cgroupDriver: 'systemd' | 'cgroupfs';
  readonly selinux: boolean;
  readonly snapshotter: string | undefined;
  readonly imagePullProgressTimeout: string | undefined;
  /** Runtimes besides runc, by the name that a RuntimeClass calls its handler. */
  readonly runtimes: TomlTable;
}

/** containerd-config.toml(5) as a table; version 2 for containerd 1.x, 3 for 2.x. */
export function configTable(version: ConfigVersion, config: RuntimeConfig): TomlTable {
  const runtimes = {
    runc: { runtime_type: 'io.containerd.runc.v2', options: { SystemdCgroup: config.cgroupDriver === 'systemd' } },
    ...config.runtimes,
  };
  const registry = { config_path: '/etc/containerd/certs.d' };
  const pull =
    config.imagePullProgressTimeout === undefined ? {} : { image_pull_progress_timeout: config.imagePullProgressTimeout };
  const snapshotter = config.snapshotter === undefined ? {} : { snapshotter: config.snapshotter };
  const selinux = config.selinux ? { enable_selinux: true } : {};
  const plugins: TomlTable =
    version === 2
      ? {
          'io.containerd.grpc.v1.cri': {
            sandbox_image: config.sandboxImage,
            ...pull,
            ...selinux,
            // An unset bin_dir of Debian's build would be /usr/lib/cni, where no plugin that Kubernetes brings is found.
            cni: { bin_dir: '/opt/cni/bin', conf_dir: '/etc/cni/net.d' },
            containerd: { ...snapshotter, runtimes },
            registry,
          },
        }
      : {
          'io.containerd.cri.v1.images': {
            ...pull,
            ...snapshotter,
            pinned_images: { sandbox: config.sandboxImage },
            registry,
          },
          'io.containerd.cri.v1.runtime': { ...selinux, containerd: { runtimes } },
        };
  return { version, imports: IMPORTS, plugins };
}

/**
 * The file. A table of the user's is merged into ours, since a file in conf.d would take the place of whole plugins (containerd 1.x,
 * mergeConfig); text is added at the end, as kubernetes-sigs/image-builder does, and brings its own imports if it names some.
 */
export function configToml(table: TomlTable, settings: string | TomlTable | undefined): string {
  if (settings === undefined) return toml(table);
  if (typeof settings !== 'string') return toml(mergeToml(table, settings));
  const own = /^\s*imports\s*=/m.test(settings);
  const ours = Object.fromEntries(Object.entries(table).filter(([key]) => key !== 'imports' || !own));
  // What belongs to no table must stand above all of them.
  return `${topLevel(settings)}${toml(ours)}\n${belowTables(settings).trim()}\n`;
}

function topLevel(settings: string): string {
  const text = settings.slice(0, firstTable(settings)).trim();
  return text === '' ? '' : `${text}\n`;
}

function belowTables(settings: string): string {
  return settings.slice(firstTable(settings));
}

function firstTable(settings: string): number {
  const at = settings.search(/^\s*\[/m);
  return at === -1 ? settings.length : at;
}

const IMPORTS = ['/etc/containerd/conf.d/*.toml'];

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
