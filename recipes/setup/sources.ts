import type { OsDefinition, PackageRepository, PackageSetup, RecipeContext, SourceListFile } from '../../src/core/index.ts';
import type { SetupParams } from './params.ts';

const KEYRINGS: Readonly<Record<string, string>> = {
  debian: '/usr/share/keyrings/debian-archive-keyring.gpg',
  ubuntu: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
};
const COMPONENTS: Readonly<Record<string, readonly string[]>> = {
  debian: ['main'],
  ubuntu: ['main', 'restricted', 'universe', 'multiverse'],
};

/** How the recipe's settings change the package sources of the base. */
export function packageSetup(context: RecipeContext, params: SetupParams): PackageSetup {
  const { os } = context;
  const { mirror, disable, keepDisabled, proxy, upgrade } = params;
  const isApt = os.packageManager === 'apt';
  const baseurls = mirror === undefined ? archiveOf(context) : mirror.repositories;
  const ofMirror = isApt && mirror?.main !== undefined ? [mirrorFile(os, mirror, mirror.main)] : [];
  const files = [...ofMirror, ...sourceFiles(os, params)];
  return {
    ...(proxy === undefined ? {} : { environment: proxyVariables(proxy) }),
    ...(disable || ofMirror.length > 0 ? { disabled: true } : {}),
    ...(isApt || disable || baseurls === undefined ? {} : { baseurls }),
    keep: disable ? keepDisabled : (mirror?.keep ?? true),
    ...(files.length === 0 ? {} : { files }),
    upgrade: upgrade === 'all',
  };
}

/** Repositories given with their key. */
export function extraRepositories({ repositories }: SetupParams): readonly PackageRepository[] {
  return repositories.flatMap((repository) => {
    if ('file' in repository) return [];
    const { name, title = name, key, apt, rpm } = repository;
    return [
      {
        name,
        title,
        key: typeof key === 'string' ? key : (key.file.text ?? ''),
        ...(apt === undefined ? {} : { apt }),
        ...(rpm === undefined ? {} : { rpm }),
      },
    ];
  });
}

/** Repositories given as a file of the package manager's own. */
function sourceFiles(os: OsDefinition, { repositories, removeRepositories }: SetupParams): readonly SourceListFile[] {
  return repositories.flatMap((repository) => {
    if (!('file' in repository)) return [];
    const { path, text = '' } = repository.file;
    return [{ path: `${sourcesFolder(os)}/${path.replace(/^.*\//, '')}`, text, keep: !removeRepositories }];
  });
}

export function sourcesFolder({ packageManager }: OsDefinition): string {
  if (packageManager === 'apt') return '/etc/apt/sources.list.d';
  return packageManager === 'zypper' ? '/etc/zypp/repos.d' : '/etc/yum.repos.d';
}

/**
 * The mirrors of CentOS 7 are gone since 2024-06-30; its last release stays in the vault. It is read by http: since the base's certificates are
 * older than the vault's; packages are signed. Ubuntu keeps its long-term releases in the archive.
 */
function archiveOf({ os, arch }: RecipeContext): Readonly<Record<string, string>> | undefined {
  if (os.distribution !== 'centos' || os.version !== '7') return undefined;
  const folder = `http://vault.centos.org/${arch === 'arm64' ? 'altarch/' : ''}7.9.2009`;
  return Object.fromEntries(
    ['os', 'updates', 'extras'].map((part) => [part === 'os' ? 'base' : part, `${folder}/${part}/$basearch/`]),
  );
}

/** The suites that cloud images have, from another archive. */
function mirrorFile(os: OsDefinition, mirror: NonNullable<SetupParams['mirror']>, main: string): SourceListFile {
  const { distribution, codename = '' } = os;
  const suites = ['', '-updates', ...(distribution === 'ubuntu' ? ['-backports'] : [])].map((suffix) => `${codename}${suffix}`);
  const components = mirror.components ?? COMPONENTS[distribution] ?? ['main'];
  const entry = (uri: string, names: readonly string[]) =>
    [
      'Types: deb',
      `URIs: ${uri}`,
      `Suites: ${names.join(' ')}`,
      `Components: ${components.join(' ')}`,
      `Signed-By: ${KEYRINGS[distribution]}`,
      '',
    ].join('\n');
  const text = `${entry(main, suites)}\n${entry(mirror.security ?? main, [`${codename}-security`])}`;
  return { path: '/etc/apt/sources.list.d/mirror.sources', text, keep: mirror.keep };
}

/** Every package manager here, and subscription-manager, takes them from its environment. */
export function proxyVariables({ http, https, noProxy }: NonNullable<SetupParams['proxy']>): Readonly<Record<string, string>> {
  return {
    ...(http === undefined ? {} : { http_proxy: http }),
    ...(https === undefined ? {} : { https_proxy: https }),
    ...(noProxy.length === 0 ? {} : { no_proxy: noProxy.join(',') }),
  };
}
