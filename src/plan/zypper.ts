import { lines, type PackageRequest, type PrimitiveAction, raw, type Sh, sh } from '../core/index.ts';
import { LOCK_SECONDS } from './package-lock.ts';
import type { PackageManagerSeam } from './package-manager.ts';
import { installTitle } from './package-titles.ts';
import { addRpmRepository, rpmKeyFile, ZYPP_REPOS } from './rpm-repository.ts';
import { changeRpmSources, restoreRpmSources } from './rpm-sources.ts';
import { runRpm } from './rpm-transaction.ts';

const ZYPPER = raw('zypper --non-interactive');

/** zypper(8): a reboot is needed, and: zypper itself was updated and should start again. Both after everything went well. */
const DONE = [102, 103];

/** zypper of SUSE. It knows no `exclude` of a repository, so what one keeps back is locked once it is installed. */
export const zypper: PackageManagerSeam = {
  sources: ({ repositories }) => [
    ...repositories.flatMap((repository) => addRpmRepository(repository, { folder: ZYPP_REPOS, excludes: false })),
    ...(repositories.length === 0 ? [] : [trust(repositories.map(rpmKeyFile))]),
  ],
  transaction: ({ repositories, packages, upgrade }) => {
    const kept = repositories.flatMap(({ rpm }) => rpm?.exclude ?? []);
    return [
      ...(upgrade ? [run('upgrade all packages', sh`${ZYPPER} update --no-recommends --auto-agree-with-licenses`)] : []),
      ...(packages.length === 0 ? [] : [install(packages)]),
      ...(kept.length > 0 ? [lock(kept)] : []),
    ];
  },
  install: (packages) => [install(packages.map((name) => ({ name })))],
  hold: (packages) => [lock(packages)],
  holdNeeds: [],
  changeSources: (setup) => changeRpmSources(ZYPP_REPOS, setup),
  restoreSources: (setup) => restoreRpmSources(ZYPP_REPOS, setup),
};

/** zypper would ask whether to trust them, and with --gpg-auto-import-keys trust any. */
function trust(keyFiles: readonly string[]): PrimitiveAction {
  return { kind: 'exec', title: 'trust the keys of the repositories', script: sh`rpm --import ${keyFiles}`, timeoutMs: 60_000 };
}

function install(packages: readonly PackageRequest[]): PrimitiveAction {
  const specs = packages.map(({ name, version }) => (version === undefined ? name : `${name}=${version}`));
  return run(
    installTitle(packages.map(({ name }) => name)),
    sh`${ZYPPER} install --no-recommends --auto-agree-with-licenses ${specs}`,
  );
}

function lock(packages: readonly string[]): PrimitiveAction {
  return { kind: 'exec', title: `hold ${packages.join(', ')}`, script: sh`${ZYPPER} addlock ${packages}`, timeoutMs: 60_000 };
}

function run(title: string, command: Sh): PrimitiveAction {
  return { ...runRpm(title, lines([sh`export ZYPP_LOCK_TIMEOUT=${LOCK_SECONDS}`, command])), exitCodes: DONE };
}
