import { type Check, type OsDefinition, type PackageRequest, type RecipeContext, sh } from '../../src/core/index.ts';
import type { SetupParams } from './params.ts';
import { sourcesFolder } from './sources.ts';
import { unregisteredCheck } from './subscription.ts';

/** The packages that are asked for. */
export function requests({ packages }: SetupParams): readonly PackageRequest[] {
  return packages.map((wanted) => {
    const { name, version } = typeof wanted === 'string' ? { name: wanted } : wanted;
    return version === undefined ? { name } : { name, version };
  });
}

/** What was asked for is there, and what was for the build alone is not. */
export function setupChecks({ os }: RecipeContext, params: SetupParams): readonly Check[] {
  const isApt = os.packageManager === 'apt';
  const { packages, proxy, rhel, disable, keepDisabled } = params;
  const names = packages.map((wanted) => (typeof wanted === 'string' ? wanted : wanted.name));
  const versions = requests(params).filter(({ version }) => version !== undefined);
  const addresses = [proxy?.http, proxy?.https].filter((address) => address !== undefined);
  return [
    ...(names.length === 0 ? [] : [installedCheck(names, isApt)]),
    ...versions.map(({ name, version = '' }) => versionCheck(name, version, isApt)),
    ...(addresses.length === 0 || proxy?.keep === true ? [] : [noProxyCheck(addresses, isApt)]),
    ...(disable && !keepDisabled ? [restoredCheck(os)] : []),
    ...(rhel === undefined ? [] : [unregisteredCheck]),
  ];
}

function installedCheck(names: readonly string[], isApt: boolean): Check {
  return {
    name: 'setup/packages',
    title: `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} installed`,
    script: isApt
      ? sh`dpkg-query --show --showformat='\${db:Status-Status}\n' ${names} | sort -u`
      : sh`rpm --query --whatprovides ${names} >/dev/null && echo installed`,
    expect: { kind: 'equals', text: 'installed' },
    when: ['build', 'boot'],
  };
}

function versionCheck(name: string, version: string, isApt: boolean): Check {
  const pattern = version.replaceAll(/[.+^${}()|[\]\\?]/g, '\\$&').replaceAll('*', '.*');
  return {
    name: `setup/${name}`,
    title: `${name} is ${version}`,
    script: isApt
      ? sh`dpkg-query --show --showformat='\${Version}\n' ${name}`
      : sh`rpm --query --queryformat '%{VERSION}\n%{VERSION}-%{RELEASE}\n' ${name}`,
    expect: { kind: 'matches', pattern: `^${pattern}$` },
    when: ['build', 'boot'],
  };
}

/** Settings only: what serves as a proxy may have repositories too. */
function noProxyCheck(addresses: readonly string[], isApt: boolean): Check {
  const wanted = addresses.flatMap((address) => ['-e', address]);
  return {
    name: 'setup/proxy',
    title: 'the package manager has no proxy of the build',
    script: isApt
      ? sh`grep -rsF ${wanted} /etc/apt/apt.conf /etc/apt/apt.conf.d || :`
      : sh`grep -rsE '^[[:space:]]*proxy[[:alpha:]_]*[[:space:]]*=' /etc/dnf /etc/yum.conf /etc/yum.repos.d /etc/tdnf /etc/zypp /etc/rhsm | grep -F ${wanted} || :`,
    expect: { kind: 'equals', text: '' },
    when: ['boot'],
  };
}

function restoredCheck(os: OsDefinition): Check {
  return {
    name: 'setup/repositories',
    title: 'the repositories of the base are back',
    script: sh`find /etc/apt ${sourcesFolder(os)} -maxdepth 2 '(' -name '*.disabled' -o -name '*.kib-before' ')' 2>/dev/null || :`,
    expect: { kind: 'equals', text: '' },
    when: ['boot'],
  };
}
