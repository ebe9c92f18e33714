import type { PackageRepository, PackageRequest, PrimitiveAction } from '../core/index.ts';

/** Where yum, dnf and tdnf look for repositories. */
export const YUM_REPOS = '/etc/yum.repos.d';
export const ZYPP_REPOS = '/etc/zypp/repos.d';

export interface RpmRepositoryOptions {
  readonly folder?: string;
  /** Whether the package manager knows `exclude` of a repository. */
  readonly excludes?: boolean;
  /** More lines. */
  readonly lines?: readonly string[];
}

/** Files of one repository (dnf.conf(5)). Its key is in the image, so it is never fetched from where the packages come from. */
export function addRpmRepository(
  repository: PackageRepository,
  { folder = YUM_REPOS, excludes = true, lines = [] }: RpmRepositoryOptions = {},
): readonly PrimitiveAction[] {
  const { name, title, key, rpm } = repository;
  if (rpm === undefined) return [];
  const keyFile = rpmKeyFile(repository);
  const config = [
    `[${name}]`,
    `name=${title}`,
    `baseurl=${rpm.baseurl}`,
    `enabled=1`,
    `gpgcheck=1`,
    `gpgkey=file://${keyFile}`,
    ...(excludes && hasExclude(repository) ? [`exclude=${rpm.exclude?.join(' ')}`] : []),
    ...lines,
  ];
  const put = { kind: 'put', mode: '0644', owner: 'root:root' } as const;
  return [
    { ...put, title: `trust the key of ${title}`, path: keyFile, content: { kind: 'text', text: `${key.trimEnd()}\n` } },
    {
      ...put,
      title: `add the repository ${title}`,
      path: `${folder}/${name}.repo`,
      content: { kind: 'text', text: `${config.join('\n')}\n` },
    },
  ];
}

export function rpmKeyFile({ name }: Pick<PackageRepository, 'name'>): string {
  return `/etc/pki/rpm-gpg/RPM-GPG-KEY-${name}`;
}

export function hasExclude({ rpm }: PackageRepository): boolean {
  return (rpm?.exclude?.length ?? 0) > 0;
}

/** `kubelet-1.36.1`: a name with its version as the command line of yum, dnf and tdnf takes it. */
export function rpmSpec({ name, version }: PackageRequest): string {
  return version === undefined ? name : `${name}-${version}`;
}
