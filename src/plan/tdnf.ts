import { lines, type PrimitiveAction, type Sh, sh } from '../core/index.ts';
import type { PackageManagerSeam } from './package-manager.ts';
import { installTitle } from './package-titles.ts';
import { listRpmVersions, orListVersions } from './package-versions.ts';
import { waitForRpmLock } from './rpm-lock.ts';
import { addRpmRepository, rpmSpec, YUM_REPOS } from './rpm-repository.ts';
import { changeRpmSources, restoreRpmSources } from './rpm-sources.ts';

const NETWORK_ATTEMPTS = 3;
const INSTALL_TIMEOUT_MS = 1_800_000;

/**
 * tdnf of Photon. It knows few options of dnf (vmware/tdnf, common/config.h and tools/cli/lib/parseargs.c): a repository has `timeout` and
 * `retries` but no `exclude`, which is a setting of tdnf.conf here, and nothing is ever installed that is merely recommended.
 */
export const tdnf: PackageManagerSeam = {
  transaction: ({ repositories, packages, upgrade }) => {
    const kept = repositories.flatMap(({ rpm }) => rpm?.exclude ?? []);
    return [
      ...repositories.flatMap((repository) =>
        addRpmRepository(repository, { excludes: false, lines: ['timeout=20', 'retries=2'] }),
      ),
      // As a release moves on packages are also replaced and taken back, which `update` does not do.
      ...(upgrade ? [run('upgrade all packages', sh`tdnf --assumeyes --refresh distro-sync`)] : []),
      ...(packages.length === 0
        ? []
        : [
            run(
              installTitle(packages.map(({ name }) => name)),
              orListVersions(
                sh`tdnf --assumeyes --refresh ${kept.length > 0 ? ['--disableexcludes'] : []} install ${packages.map(rpmSpec)}`,
                packages,
                (names) => listRpmVersions('tdnf --quiet', names),
              ),
            ),
          ]),
      ...(kept.length > 0 ? [exclude(kept)] : []),
    ];
  },
  install: (packages) => [run(installTitle(packages), sh`tdnf --assumeyes install ${packages}`)],
  hold: (packages) => [exclude(packages)],
  holdNeeds: [],
  changeSources: (setup) => changeRpmSources(YUM_REPOS, setup),
  restoreSources: (setup) => restoreRpmSources(YUM_REPOS, setup),
};

/** Adds to what /etc/tdnf/tdnf.conf excludes already. */
function exclude(packages: readonly string[]): PrimitiveAction {
  return {
    kind: 'exec',
    title: `hold ${packages.join(', ')}`,
    script: sh`
      conf=/etc/tdnf/tdnf.conf
      before=$(sed -n 's/^excludepkgs[[:space:]]*=[[:space:]]*//p' "$conf" | tr ',' ' ')
      all=$(printf '%s\n' $before ${packages} | sort -u | tr '\n' ' ')
      sed -i '/^excludepkgs[[:space:]]*=/d' "$conf"
      sed -i "/^\[main\]/a excludepkgs=\${all% }" "$conf"
    `,
    timeoutMs: 60_000,
  };
}

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
