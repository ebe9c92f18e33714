import { lines, type PrimitiveAction, raw, type Sh, sh } from '../core/index.ts';
import type { PackageManagerSeam } from './package-manager.ts';
import { installTitle } from './package-titles.ts';
import { listRpmVersions, orListVersions } from './package-versions.ts';
import { waitForRpmLock } from './rpm-lock.ts';
import { addRpmRepository, hasExclude, rpmSpec, YUM_REPOS } from './rpm-repository.ts';
import { changeRpmSources, restoreRpmSources } from './rpm-sources.ts';

// Options of dnf.conf(5), version 4, which Enterprise Linux 8 to 10 and Amazon Linux 2023 have. Rebuilding packages from deltas takes longer
// than fetching them. A server that does not answer is given up after a minute and a half, three times in all.
const DNF = raw(
  'dnf --assumeyes --setopt=install_weak_deps=False --setopt=timeout=20 --setopt=retries=2 --setopt=exit_on_lock=True --setopt=deltarpm=False --setopt=max_parallel_downloads=10',
);

const NETWORK_ATTEMPTS = 3;
const INSTALL_TIMEOUT_MS = 1_800_000;

/** dnf of Enterprise Linux and Amazon Linux 2023. */
export const dnf: PackageManagerSeam = {
  transaction: ({ repositories, packages, upgrade }) => {
    const lifted = repositories.filter(hasExclude).map(({ name }) => `--disableexcludes=${name}`);
    return [
      ...repositories.flatMap((repository) => addRpmRepository(repository)),
      ...(upgrade ? [run('upgrade all packages', sh`${DNF} upgrade`)] : []),
      ...(packages.length === 0
        ? []
        : [
            run(
              installTitle(packages.map(({ name }) => name)),
              orListVersions(sh`${DNF} ${lifted} install ${packages.map(rpmSpec)}`, packages, (names) =>
                listRpmVersions('dnf --quiet --cacheonly --showduplicates --disableexcludes=all', names),
              ),
            ),
          ]),
    ];
  },
  install: (packages) => [run(installTitle(packages), sh`${DNF} install ${packages}`)],
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
  changeSources: (setup) => changeRpmSources(YUM_REPOS, setup),
  restoreSources: (setup) => restoreRpmSources(YUM_REPOS, setup),
};

function run(title: string, command: Sh): PrimitiveAction {
  return {
    kind: 'exec',
    title,
    script: lines([waitForRpmLock, command]),
    timeoutMs: INSTALL_TIMEOUT_MS,
    attempts: NETWORK_ATTEMPTS,
    packages: true,
  };
}
