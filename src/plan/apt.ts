import { lines, type PackageRepository, type PackageRequest, type PrimitiveAction, raw, type Sh, sh } from '../core/index.ts';
import { withHelpers } from './apt-helpers.ts';
import { changeAptSources, restoreAptSources } from './apt-sources.ts';
import type { PackageManagerSeam } from './package-manager.ts';
import { installTitle } from './package-titles.ts';
import { listAptVersions, orListVersions } from './package-versions.ts';

// Options are apt.conf(5) settings. A configuration file that we wrote before its package came stays (confold); nothing is ever asked.
const APT_GET = raw(
  [
    'apt-get --yes --quiet',
    '-o DPkg::Lock::Timeout=300 -o DPkg::Use-Pty=0',
    // A server that does not answer is given up after a minute and a half (15 seconds, six times).
    '-o Acquire::Retries=2 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15',
    '-o Acquire::Languages=none -o Acquire::PDiffs=false',
    '-o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold',
    // A build that is cut short is thrown away, so dpkg need not sync every file; the clean shutdown syncs them all.
    '-o DPkg::Options::=--force-unsafe-io',
  ].join(' '),
);
// needrestart(1) would ask, or restart services in the middle of the transaction.
const ENVIRONMENT = raw('export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1');

const LISTS = raw('/var/lib/apt/lists');
/** Lies beside lists that are an excerpt; apt removes what it does not know when it reads lists (APT::Get::List-Cleanup). */
const EXCERPT = raw('/var/lib/apt/lists/kib-excerpt');
const NETWORK_ATTEMPTS = 3;
const UPDATE_TIMEOUT_MS = 600_000;
const INSTALL_TIMEOUT_MS = 1_800_000;

/** apt of Debian and Ubuntu. */
export const apt: PackageManagerSeam = {
  sources: ({ repositories, packages, upgrade }) => [
    ...repositories.flatMap(addRepository),
    ...(packages.length > 0 || upgrade || repositories.length > 0 ? [verify] : []),
  ],
  transaction: ({ packages, settledLater, upgrade }) =>
    packages.length === 0 && !upgrade ? [] : [change(packages, settledLater, upgrade)],
  install: (packages) => [
    {
      kind: 'exec',
      title: installTitle(packages),
      script: lines([
        ENVIRONMENT,
        sh`
          if [ -e ${EXCERPT} ] || [ -z "$(find ${LISTS} -maxdepth 1 -name '*_Packages*' | head -n 1)" ]; then
            ${readAllAfterExcerpt}
          fi
        `,
        withHelpers(aptGet('install', packages), []),
      ]),
      timeoutMs: INSTALL_TIMEOUT_MS,
      attempts: NETWORK_ATTEMPTS,
      packages: true,
    },
  ],
  hold: (packages) => [
    { kind: 'exec', title: `hold ${packages.join(', ')}`, script: sh`apt-mark hold ${packages}`, timeoutMs: 60_000 },
  ],
  holdNeeds: [],
  changeSources: changeAptSources,
  restoreSources: restoreAptSources,
};

/** A full upgrade takes packages to install as well (apt-get(8)), and is one transaction with them. */
function change(packages: readonly PackageRequest[], settledLater: readonly string[], upgrade: boolean): PrimitiveAction {
  const names = packages.map(({ name }) => name);
  // Who asks for a version gets it, also when the base has a newer one.
  const isPinned = packages.some(({ version }) => version !== undefined);
  const options = isPinned ? ['--allow-downgrades'] : [];
  const install = aptGet(upgrade ? 'dist-upgrade' : 'install', [...options, ...packages.map(spec)]);
  const upgradeTitle = names.length === 0 ? 'upgrade all packages' : `upgrade all packages, ${installTitle(names)}`;
  return {
    kind: 'exec',
    title: upgrade ? upgradeTitle : installTitle(names),
    script: lines([
      ENVIRONMENT,
      readLists(names),
      sh`kib_install() { ${install}; }`,
      withHelpers(sh`${orListVersions(installOrReadAll, packages, listAptVersions)} && ${endExcerpt}`, settledLater),
    ]),
    timeoutMs: INSTALL_TIMEOUT_MS,
    attempts: NETWORK_ATTEMPTS,
    packages: true,
  };
}

/** See withHelpers for the search path. */
function aptGet(command: 'install' | 'dist-upgrade', packages: readonly string[]): Sh {
  return sh`${APT_GET} -o DPkg::Path="$dpkg_path" --no-install-recommends ${command} ${packages}`;
}

/**
 * Reads and verifies what repositories sign, which depends on no package. Without the error mode apt-get update exits 0 although a repository could not
 * be read. Lists that are there stay unless their Release file is another, but none is read.
 */
const verify: PrimitiveAction = {
  kind: 'exec',
  title: 'read what the package repositories sign',
  script: sh`
    ${ENVIRONMENT}
    ${APT_GET} -o APT::Update::Error-Mode=any -o Acquire::IndexTargets::deb::Packages::DefaultEnabled=false update
  `,
  timeoutMs: UPDATE_TIMEOUT_MS,
  attempts: NETWORK_ATTEMPTS,
  packages: true,
};

const readAll = sh`${APT_GET} -o APT::Update::Error-Mode=any update`;

/** apt takes lists for whole as long as their Release file is the one it had, so an excerpt is removed before whole lists are read. */
const readAllAfterExcerpt = sh`find ${LISTS} -maxdepth 1 -type f ! -name lock -delete && ${readAll}`;

/**
 * Where the host's package cache offers it (KIB_APT_LISTS), only that of the lists which these packages can need: decompressing and indexing all of an
 * archive takes longer than everything else that apt does with it.
 */
const readLists = (names: readonly string[]): Sh => sh`
  if [ -n "\${KIB_APT_LISTS-}" ] && "$KIB_APT_LISTS" ${names}; then
    : >${EXCERPT}
  elif [ ! -e ${EXCERPT} ]; then
    ${readAll}
  fi
`;

/** What apt's solver finds among packages that contradict each other may depend on all that there are, so an excerpt has no last word. */
const installOrReadAll = sh`{ kib_install || { [ -e ${EXCERPT} ] && ${readAllAfterExcerpt} && kib_install; }; }`;

/** So that the next `apt-get update`, whosever it is, reads whole lists. */
const endExcerpt = sh`{ [ ! -e ${EXCERPT} ] || rm -f ${LISTS}/*Release; }`;

/** One deb822 file (sources.list(5)) whose key vouches for this repository only. */
function addRepository(repository: PackageRepository): readonly PrimitiveAction[] {
  const { name, title, key, apt } = repository;
  if (apt === undefined) return [];
  const keyring = `/etc/apt/keyrings/${name}.asc`;
  const source = [
    `Types: deb`,
    `URIs: ${apt.uri}`,
    `Suites: ${apt.suite}`,
    ...(apt.components.length === 0 ? [] : [`Components: ${apt.components.join(' ')}`]),
    `Signed-By: ${keyring}`,
  ];
  const put = { kind: 'put', mode: '0644', owner: 'root:root' } as const;
  return [
    { ...put, title: `trust the key of ${title}`, path: keyring, content: { kind: 'text', text: `${key.trimEnd()}\n` } },
    {
      ...put,
      title: `add the repository ${title}`,
      path: `/etc/apt/sources.list.d/${name}.sources`,
      content: { kind: 'text', text: `${source.join('\n')}\n` },
    },
  ];
}

function spec({ name, version }: PackageRequest): string {
  return version === undefined ? name : `${name}=${version}`;
}
