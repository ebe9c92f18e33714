import { lines, type PrimitiveAction, type Sh, sh } from '../core/index.ts';
import type { PackageManagerSeam } from './package-manager.ts';
import { installTitle } from './package-titles.ts';
import { listRpmVersions, orListVersions } from './package-versions.ts';
import { waitForRpmLock } from './rpm-lock.ts';
import { addRpmRepository, hasExclude, rpmSpec, YUM_REPOS } from './rpm-repository.ts';
import { changeRpmSources, restoreRpmSources } from './rpm-sources.ts';

const NETWORK_ATTEMPTS = 3;
const INSTALL_TIMEOUT_MS = 1_800_000;

/** A command of a package manager that fetches and installs, once nobody else holds the database of rpm. */
export function runRpm(title: string, command: Sh): Extract<PrimitiveAction, { readonly kind: 'exec' }> {
  return {
    kind: 'exec',
    title,
    script: lines([waitForRpmLock, command]),
    timeoutMs: INSTALL_TIMEOUT_MS,
    attempts: NETWORK_ATTEMPTS,
    packages: true,
  };
}

/** What every package manager here does that reads /etc/yum.repos.d. */
export const rpmSources: Pick<PackageManagerSeam, 'changeSources' | 'restoreSources'> = {
  changeSources: (setup) => changeRpmSources(YUM_REPOS, setup),
  restoreSources: (setup) => restoreRpmSources(YUM_REPOS, setup),
};

export interface DnfLike {
  readonly name: 'dnf' | 'yum';
  /** The program with its options. */
  readonly command: Sh;
  readonly upgrade: 'upgrade' | 'update';
  /** Command that adds to the list of versions that stay; packages come after it. */
  readonly lock: Sh;
  /** Package that brings this command. */
  readonly lockPackage: string;
}

/** dnf, and yum, whose heir it is. */
export function dnfLike({ name, command, upgrade, lock, lockPackage }: DnfLike): PackageManagerSeam {
  return {
    ...rpmSources,
    sources: ({ repositories }) => repositories.flatMap((repository) => addRpmRepository(repository)),
    transaction: ({ repositories, packages, upgrade: isUpgrade }) => {
      const lifted = repositories.filter(hasExclude).map((repository) => `--disableexcludes=${repository.name}`);
      return [
        ...(isUpgrade ? [runRpm('upgrade all packages', sh`${command} ${upgrade}`)] : []),
        ...(packages.length === 0
          ? []
          : [
              runRpm(
                installTitle(packages.map((request) => request.name)),
                orListVersions(sh`${command} ${lifted} install ${packages.map(rpmSpec)}`, packages, (names) =>
                  listRpmVersions(`${name} --quiet --cacheonly --showduplicates --disableexcludes=all`, names),
                ),
              ),
            ]),
      ];
    },
    install: (packages) => [runRpm(installTitle(packages), sh`${command} install ${packages}`)],
    hold: (packages) => [
      { kind: 'exec', title: `hold ${packages.join(', ')}`, script: sh`${lock} ${packages}`, timeoutMs: 300_000 },
    ],
    holdNeeds: [lockPackage],
  };
}
