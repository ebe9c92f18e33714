import { type Action, defineRecipe, type OsDefinition, type PackageRepository, type Sh, sh } from '../src/core/index.ts';
import { requests, setupChecks } from './setup/checks.ts';
import { epelRepository } from './setup/epel.ts';
import { type SetupParams, setupParams } from './setup/params.ts';
import { setupProblems } from './setup/problems.ts';
import { extraRepositories, packageSetup, proxyVariables, sourcesFolder } from './setup/sources.ts';
import { register, unregister } from './setup/subscription.ts';

/** Where the proxy of every later download is set. */
const PROXY_FILES: Readonly<Partial<Record<OsDefinition['packageManager'], string>>> = {
  dnf: '/etc/dnf/dnf.conf',
  yum: '/etc/yum.conf',
  tdnf: '/etc/tdnf/tdnf.conf',
};
const APT_PROXY = '/etc/apt/apt.conf.d/90proxy';

/**
 * Where packages come from. Takes the place of the role `setup` of kubernetes-sigs/image-builder (images/capi/ansible/roles/setup, and what its
 * sysprep takes back), apart from two things: not every package is frozen, only those that are asked for; and there is no temporary
 * policy-rc.d, which keeps Hyper-V's daemons from failing to start: their packages are not installed where there is no Hyper-V.
 */
export const setup = defineRecipe({
  name: 'setup',
  summary: 'package mirrors, proxies and repositories, packages of your own, full upgrade, subscription',
  params: setupParams,
  validate: setupProblems,
  packageSetup,
  prepare: ({ os }, { rhel, disable, proxy }) => [
    ...(rhel === undefined ? [] : [register(rhel, proxyOf({ proxy }))]),
    ...(os.family === 'photon' && !disable ? refreshPhoton(os) : []),
  ],
  repositories: ({ os }, params) => addedRepositories(os, params),
  packages: (_context, params) => requests(params),
  steps: ({ os }, params) => [
    ...heldPackages(params),
    ...(params.proxy?.keep === true ? keepProxy(os, params.proxy) : []),
    ...(os.family === 'photon' ? [acceptInput] : []),
  ],
  seal: ({ os }, params) => [
    ...(params.rhel === undefined ? [] : [unregister(proxyOf(params))]),
    ...removeRepositories(os, params),
  ],
  ships: ({ os }, { proxy }) => (proxy?.keep === true ? proxyFiles(os) : []),
  checks: setupChecks,
});

/** Where a kept proxy is written; nowhere with zypper. */
function proxyFiles({ packageManager }: OsDefinition): readonly string[] {
  const file = packageManager === 'apt' ? APT_PROXY : PROXY_FILES[packageManager];
  return file === undefined ? [] : [file];
}

function proxyOf({ proxy }: Pick<SetupParams, 'proxy'>): Readonly<Record<string, string>> {
  return proxy === undefined ? {} : proxyVariables(proxy);
}

function addedRepositories(os: OsDefinition, params: SetupParams): readonly PackageRepository[] {
  return [...(params.epel ? epelRepository(os) : []), ...extraRepositories(params)];
}

function heldPackages({ packages }: SetupParams): readonly Action[] {
  const held = packages.flatMap((wanted) => (typeof wanted !== 'string' && wanted.hold ? [wanted.name] : []));
  return held.length === 0 ? [] : [{ kind: 'hold', packages: held }];
}

/** Releases get new signing keys by photon-repos; and iptables needs alternatives, which takes the place of chkconfig. */
function refreshPhoton({ version }: OsDefinition): readonly Action[] {
  const exec = (title: string, script: Sh): Action => ({
    kind: 'exec',
    title,
    script,
    timeoutMs: 600_000,
    attempts: 3,
    packages: true,
  });
  return [
    exec('update the repositories of Photon', sh`tdnf --assumeyes --refresh --enablerepo=photon update photon-repos`),
    ...(version === '3.0' || version === '3'
      ? []
      : [exec('make room for iptables', sh`tdnf --assumeyes --allowerasing install alternatives`)]),
  ];
}

/** Photon drops what it is not told to let in, and so kubelet, API server and pods. */
const acceptInput: Action = {
  kind: 'exec',
  title: 'let traffic to the node in',
  script: sh`
    for file in /etc/systemd/scripts/ip4save /etc/systemd/scripts/ip6save; do
      if [ -e "$file" ]; then sed -i 's/INPUT DROP/INPUT ACCEPT/' "$file"; fi
    done
  `,
  timeoutMs: 60_000,
};

/** apt.conf(5); dnf.conf(5) and its like know one proxy for all, and no exceptions. */
function keepProxy({ packageManager }: OsDefinition, proxy: NonNullable<SetupParams['proxy']>): readonly Action[] {
  const { http, https, noProxy } = proxy;
  if (packageManager === 'apt') {
    const text = [
      ...(http === undefined ? [] : [`Acquire::http::Proxy "${http}";`]),
      ...(https === undefined ? [] : [`Acquire::https::Proxy "${https}";`]),
      ...noProxy.flatMap((host) => ['http', 'https'].map((scheme) => `Acquire::${scheme}::Proxy::${host} "DIRECT";`)),
    ];
    return [{ kind: 'file', path: APT_PROXY, text: `${text.join('\n')}\n` }];
  }
  const file = PROXY_FILES[packageManager];
  const url = https ?? http;
  if (file === undefined || url === undefined) return [];
  return [
    {
      kind: 'exec',
      title: `set the proxy in ${file}`,
      script: sh`
        sed -i '/^proxy[[:space:]]*=/d' ${file}
        sed -i ${`/^\\[main\\]/a proxy=${url}`} ${file}
      `,
      timeoutMs: 60_000,
    },
  ];
}

function removeRepositories(os: OsDefinition, params: SetupParams): readonly Action[] {
  if (!params.removeRepositories) return [];
  const isApt = os.packageManager === 'apt';
  const paths = addedRepositories(os, params).flatMap(({ name }) => [
    `${sourcesFolder(os)}/${name}.${isApt ? 'sources' : 'repo'}`,
    isApt ? `/etc/apt/keyrings/${name}.asc` : `/etc/pki/rpm-gpg/RPM-GPG-KEY-${name}`,
  ]);
  return paths.length === 0 ? [] : [{ kind: 'remove', paths }];
}
