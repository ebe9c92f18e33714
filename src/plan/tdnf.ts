import { type PrimitiveAction, sh } from '../core/index.ts';
import type { PackageManagerSeam } from './package-manager.ts';
import { installTitle } from './package-titles.ts';
import { listRpmVersions, orListVersions } from './package-versions.ts';
import { addRpmRepository, rpmSpec } from './rpm-repository.ts';
import { rpmSources, runRpm } from './rpm-transaction.ts';

/**
 * tdnf of Photon. It knows few options of dnf (vmware/tdnf, common/config.h and tools/cli/lib/parseargs.c): a repository has `timeout` and
 * `retries` but no `exclude`, which is a setting of tdnf.conf here, and nothing is ever installed that is merely recommended.
 */
export const tdnf: PackageManagerSeam = {
  ...rpmSources,
  sources: ({ repositories }) =>
    repositories.flatMap((repository) => addRpmRepository(repository, { excludes: false, lines: ['timeout=20', 'retries=2'] })),
  transaction: ({ repositories, packages, upgrade }) => {
    const kept = repositories.flatMap(({ rpm }) => rpm?.exclude ?? []);
    return [
      // As a release moves on packages are also replaced and taken back, which `update` does not do.
      ...(upgrade ? [runRpm('upgrade all packages', sh`tdnf --assumeyes --refresh distro-sync`)] : []),
      ...(packages.length === 0
        ? []
        : [
            runRpm(
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
  install: (packages) => [runRpm(installTitle(packages), sh`tdnf --assumeyes install ${packages}`)],
  hold: (packages) => [exclude(packages)],
  holdNeeds: [],
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
