import { lines, type PrimitiveAction, raw, type Sh, sh } from '../core/index.ts';
import type { PackageManagerSeam } from './package-manager.ts';
import { installTitle } from './package-titles.ts';
import { listRpmVersions, orListVersions } from './package-versions.ts';
import { waitForRpmLock } from './rpm-lock.ts';
import { addRpmRepository, hasExclude, rpmSpec, YUM_REPOS } from './rpm-repository.ts';
import { changeRpmSources, restoreRpmSources } from './rpm-sources.ts';

// Options of yum.conf(5), version 3.4.3. By itself yum calls it a success when some of the packages do not exist.
const YUM = raw(
  'yum --assumeyes --setopt=skip_missing_names_on_install=0 --setopt=timeout=20 --setopt=retries=2 --setopt=exit_on_lock=1 --setopt=deltarpm=0',
);

const NETWORK_ATTEMPTS = 3;
const INSTALL_TIMEOUT_MS = 1_800_000;

/** yum of CentOS 7 and Amazon Linux 2. */
export const yum: PackageManagerSeam = {
  transaction: ({ repositories, packages, upgrade }) => {
    const lifted = repositories.filter(hasExclude).map(({ name }) => `--disableexcludes=${name}`);
    return [
      ...repositories.flatMap((repository) => addRpmRepository(repository)),
      ...(upgrade ? [run('upgrade all packages', sh`${YUM} update`)] : []),
      ...(packages.length === 0
        ? []
        : [
            run(
              installTitle(packages.map(({ name }) => name)),
              orListVersions(sh`${YUM} ${lifted} install ${packages.map(rpmSpec)}`, packages, (names) =>
                listRpmVersions('yum --quiet --cacheonly --showduplicates --disableexcludes=all', names),
              ),
            ),
          ]),
    ];
  },
  install: (packages) => [run(installTitle(packages), sh`${YUM} install ${packages}`)],
  hold: (packages) => [
    {
      kind: 'exec',
      title: `hold ${packages.join(', ')}`,
      script: sh`yum --assumeyes versionlock add ${packages}`,
      timeoutMs: 300_000,
    },
  ],
  holdNeeds: ['yum-plugin-versionlock'],
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
