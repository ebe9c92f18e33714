import type { KubernetesSpec, OsDefinition, RecipeContext } from '../src/core/index.ts';
import type { Issue } from './issue.ts';
import { minorOf } from './versions.ts';

/** Kubernetes 1.28 gave kubelet --config-dir. */
const MINOR_WITH_CONFIG_DIR = 28;
/** "pkgs.k8s.io: Introducing Kubernetes Community-Owned Package Repositories": those from 1.24 on. */
const FIRST_MINOR_IN_PACKAGES = 24;
/** From Kubernetes 1.35 on kubelet does not start on cgroup v1 unless failCgroupV1 is false (KEP-5573). */
const MINOR_WITHOUT_CGROUP_V1 = 35;
/** Systems whose kernel or systemd is too old for cgroup v2 in earnest (kernel 5.2; systemd.unified_cgroup_hierarchy of kernel-command-line(7)). */
const CGROUP_V1: readonly string[] = ['centos 7', 'amzn 2', 'ubuntu 18.04', 'photon 3'];
/** Systems that can do both, and are told to use v2. */
const CHOOSES_CGROUP_V1: readonly string[] = ['ubuntu 20.04', 'photon 4'];

export function kubernetesIssues({ os }: RecipeContext, spec: KubernetesSpec): readonly Issue[] {
  return [...sourceIssues(spec), ...packageIssues(spec), ...kubeletIssues(spec), ...cgroupIssues(os, spec)];
}

/** Whether a node has to be told to boot with cgroup v2. */
export function wantsUnifiedCgroups({ os, kubernetes }: Pick<RecipeContext, 'os' | 'kubernetes'>): boolean {
  return (
    kubernetes !== undefined && minorOf(kubernetes.version) >= MINOR_WITHOUT_CGROUP_V1 && CHOOSES_CGROUP_V1.includes(nameOf(os))
  );
}

function sourceIssues({ source, dir, version, repository }: KubernetesSpec): readonly Issue[] {
  return [
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
    ...(source === 'pkg' && repository.includes('//pkgs.k8s.io') && minorOf(version) < FIRST_MINOR_IN_PACKAGES
      ? [
          {
            path: 'kubernetes.version',
            message: `pkgs.k8s.io has packages of v1.${FIRST_MINOR_IN_PACKAGES} and newer, got ${version}`,
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
  ];
}

function packageIssues({ packageVersion, source, version }: KubernetesSpec): readonly Issue[] {
  if (packageVersion === undefined) return [];
  const path = 'kubernetes.packageVersion';
  if (source !== 'pkg') return [{ path, message: `is for source pkg, not for ${source}`, hint: 'leave it out' }];
  const release = version.slice(1);
  if (`${packageVersion}-`.startsWith(`${release}-`)) return [];
  return [{ path, message: `${packageVersion} is not of ${version}`, hint: `use a version such as ${release}-1.1` }];
}

function kubeletIssues({ resourceSizing, kubeletConfig, version }: KubernetesSpec): readonly Issue[] {
  if (!resourceSizing && Object.keys(kubeletConfig).length === 0) return [];
  if (minorOf(version) >= MINOR_WITH_CONFIG_DIR) return [];
  return [
    {
      path: `kubernetes.${resourceSizing ? 'resourceSizing' : 'kubeletConfig'}`,
      message: `kubelet of ${version} has no folder for more configuration`,
      hint: `use kubernetes.version v1.${MINOR_WITH_CONFIG_DIR} or newer`,
    },
  ];
}

function cgroupIssues(os: OsDefinition, { version, kubeletConfig }: KubernetesSpec): readonly Issue[] {
  if (minorOf(version) < MINOR_WITHOUT_CGROUP_V1 || !CGROUP_V1.includes(nameOf(os))) return [];
  if (kubeletConfig['failCgroupV1'] === false) return [];
  return [
    {
      path: 'kubernetes.version',
      message: `kubelet of ${version} does not start on ${os.title}, which has cgroup v1`,
      hint: `use kubernetes.version v1.${MINOR_WITHOUT_CGROUP_V1 - 1}.x, or set kubernetes.kubeletConfig.failCgroupV1 to false`,
    },
  ];
}

function nameOf({ distribution, version }: OsDefinition): string {
  return `${distribution} ${version}`;
}
