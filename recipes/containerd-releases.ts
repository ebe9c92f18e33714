import type { OsDefinition, RecipeContext } from '../src/core/index.ts';
import { CONTAINERD, CONTAINERD_STATIC, CRICTL, RUNC } from './data/releases.ts';
import type { Release } from './github.ts';
import { isAtLeast, seriesOf } from './versions.ts';

interface Chosen {
  readonly version: string;
  readonly sha256?: string | undefined;
  readonly github: string;
}

export function containerdRelease(
  { os, arch }: RecipeContext,
  chosen: Chosen & { readonly static?: boolean | undefined },
): Release {
  const { version, sha256, github } = chosen;
  const isStatic = chosen.static ?? !hasLibraryFor(os, version);
  return {
    setting: 'recipes.containerd.version',
    github,
    project: 'containerd/containerd',
    version,
    file: `containerd${isStatic ? '-static' : ''}-${version}-linux-${arch}.tar.gz`,
    pins: isStatic ? CONTAINERD_STATIC : CONTAINERD,
    arch,
    sha256,
    why: 'containerd: runtime',
  };
}

export function runcRelease({ arch }: RecipeContext, { version, sha256, github }: Chosen): Release {
  return {
    setting: 'recipes.containerd.runc',
    github,
    project: 'opencontainers/runc',
    version,
    file: `runc.${arch}`,
    pins: RUNC,
    arch,
    sha256,
    why: 'containerd: runc',
  };
}

export function crictlRelease({ arch }: RecipeContext, { version, sha256, github }: Chosen): Release {
  return {
    setting: 'recipes.containerd.crictl',
    github,
    project: 'kubernetes-sigs/cri-tools',
    version,
    file: `crictl-v${version}-linux-${arch}.tar.gz`,
    pins: CRICTL,
    arch,
    sha256,
    why: 'containerd: crictl',
  };
}

/** The crictl of the Kubernetes release, else the newest that is known. */
export function matchingCrictl({ kubernetes }: RecipeContext): string | undefined {
  const series = kubernetes === undefined ? undefined : `${seriesOf(kubernetes.version)}.`;
  const known = [...CRICTL.keys()];
  return known.find((version) => series !== undefined && `v${version}`.startsWith(series)) ?? known[0];
}

/** glibc of the systems whose own is older than those that containerd was made with. */
const OLD_LIBRARIES: readonly (readonly [distributions: readonly string[], upTo: number, glibc: string])[] = [
  [['amzn'], 2, '2.26'],
  [['amzn'], 2023, '2.34'],
  [['photon'], 3, '2.28'],
  [['photon'], 4, '2.32'],
  [['ubuntu'], 18.04, '2.27'],
  [['ubuntu'], 20.04, '2.31'],
  [['debian'], 11, '2.31'],
  [['rhel', 'centos', 'rocky', 'almalinux', 'ol'], 7, '2.17'],
  [['rhel', 'centos', 'rocky', 'almalinux', 'ol'], 8, '2.28'],
  [['rhel', 'centos', 'rocky', 'almalinux', 'ol'], 9, '2.34'],
];

/** containerd's release notes: made with glibc 2.31 up to 2.0, with 2.35 from 2.1 on; its static files are for systems with an older one. */
function hasLibraryFor({ distribution, version: system }: OsDefinition, version: string): boolean {
  const needed = isAtLeast(version, '2.1.0') ? '2.35' : '2.31';
  // 9.4 is a 9.
  const release = distribution === 'ubuntu' ? Number(system) : Math.trunc(Number(system));
  const row = OLD_LIBRARIES.find(([names, upTo]) => names.includes(distribution) && release <= upTo);
  return row === undefined || isAtLeast(row[2], needed);
}
