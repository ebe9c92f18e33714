import { type PackageRepository, type PackageRequest, type PrimitiveAction, raw, sh } from '../core/index.ts';
import type { PackageManagerSeam } from './package-manager.ts';
import { installTitle } from './package-titles.ts';

// Options of dnf.conf(5), version 4, which Enterprise Linux 9 and 10 have. Rebuilding packages from deltas takes longer than fetching them.
const DNF = raw(
  'dnf --assumeyes --setopt=install_weak_deps=False --setopt=retries=10 --setopt=deltarpm=False --setopt=max_parallel_downloads=10',
);

const NETWORK_ATTEMPTS = 3;
const INSTALL_TIMEOUT_MS = 1_800_000;

/** dnf of Enterprise Linux. */
export const dnf: PackageManagerSeam = {
  transaction: (repositories, packages) => [
    ...repositories.flatMap(addRepository),
    {
      kind: 'exec',
      title: installTitle(packages.map(({ name }) => name)),
      script: sh`${DNF} ${repositories.filter(hasExclude).map(({ name }) => `--disableexcludes=${name}`)} install ${packages.map(spec)}`,
      timeoutMs: INSTALL_TIMEOUT_MS,
      attempts: NETWORK_ATTEMPTS,
      packages: true,
    },
  ],
  install: (packages) => [
    {
      kind: 'exec',
      title: installTitle(packages),
      script: sh`${DNF} install ${packages}`,
      timeoutMs: INSTALL_TIMEOUT_MS,
      attempts: NETWORK_ATTEMPTS,
      packages: true,
    },
  ],
  hold: (packages) => [
    {
      kind: 'exec',
      title: `hold ${packages.join(', ')}`,
      // Only what is installed counts, so no repository need be read.
      script: sh`dnf --assumeyes --disablerepo='*' versionlock add ${packages}`,
      timeoutMs: 300_000,
    },
  ],
  holdNeeds: ['python3-dnf-plugin-versionlock'],
};

/** One dnf.conf(5) repository. Its key is in the image, so it is never fetched from where the packages come from. */
function addRepository(repository: PackageRepository): readonly PrimitiveAction[] {
  const { name, title, key, rpm } = repository;
  if (rpm === undefined) return [];
  const keyFile = `/etc/pki/rpm-gpg/RPM-GPG-KEY-${name}`;
  const config = [
    `[${name}]`,
    `name=${title}`,
    `baseurl=${rpm.baseurl}`,
    `enabled=1`,
    `gpgcheck=1`,
    `gpgkey=file://${keyFile}`,
    ...(hasExclude(repository) ? [`exclude=${rpm.exclude?.join(' ')}`] : []),
  ];
  const put = { kind: 'put', mode: '0644', owner: 'root:root' } as const;
  return [
    { ...put, title: `trust the key of ${title}`, path: keyFile, content: { kind: 'text', text: `${key.trimEnd()}\n` } },
    {
      ...put,
      title: `add the repository ${title}`,
      path: `/etc/yum.repos.d/${name}.repo`,
      content: { kind: 'text', text: `${config.join('\n')}\n` },
    },
  ];
}

function hasExclude({ rpm }: PackageRepository): boolean {
  return (rpm?.exclude?.length ?? 0) > 0;
}

function spec({ name, version }: PackageRequest): string {
  return version === undefined ? name : `${name}-${version}`;
}
