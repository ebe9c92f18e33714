import { before, beforeRelease, beforeSeries, flag, isTrue, oneOf, releaseOf, words } from './convert.ts';
import { type Converted, means, NOTHING, none, noneOf, type PackerName, type PackerNames, type Reading, to } from './name.ts';

/** packer/config/kubernetes.json and cni.json; kubernetes_version and kubernetes_cni_version are those of wardroom, which came before it. */
export const KUBERNETES_NAMES: PackerNames = {
  kubernetes_semver: to('kubernetes.version'),
  kubernetes_version: means('of wardroom: 1.34.11-00', ['kubernetes.version'], (value) => ({
    set: { 'kubernetes.version': `v${releaseOf(value)}` },
  })),
  kubernetes_cni_version: means(
    'of wardroom: 1.9.1-00, of the release files',
    ['recipes.cni.version', 'recipes.cni.source'],
    (value) => ({
      set: { 'recipes.cni.version': releaseOf(value), 'recipes.cni.source': 'upstream' },
    }),
  ),
  kubernetes_series: means('follows kubernetes.version', [], (value, reading) => {
    const version = reading.other('kubernetes_semver');
    if (version === undefined) return { warn: 'names no release; kubernetes_semver does' };
    return version === value || version.startsWith(`${value}.`) ? NOTHING : differs(value, version, reading);
  }),
  kubernetes_source_type: means(
    'http: with the images among the files of the release',
    ['kubernetes.source', 'recipes.prepull.releaseImages', 'recipes.prepull.kubeadmImages'],
    (value, { other }) => {
      if (value === 'pkg') return { set: { 'kubernetes.source': 'pkg' } };
      if (value !== 'http') return { wrong: `must be pkg or http, got ${JSON.stringify(value)}` };
      const all = isTrue(other('kubernetes_load_additional_imgs'));
      return {
        set: { 'kubernetes.source': 'http', 'recipes.prepull.releaseImages': true, 'recipes.prepull.kubeadmImages': all },
      };
    },
  ),
  kubernetes_http_source: to('kubernetes.url', beforeRelease),
  kubernetes_deb_version: packageVersion('debian'),
  kubernetes_rpm_version: packageVersion('rpm'),
  kubernetes_deb_repo: repository('debian'),
  kubernetes_rpm_repo: repository('rpm'),
  kubernetes_deb_gpg_key: repositoryKey('debian'),
  kubernetes_rpm_gpg_key: repositoryKey('rpm'),
  kubernetes_rpm_gpg_check: means('signatures are always checked', [], (value) =>
    flag(value) === false ? { warn: 'signatures are always checked; give a key by kubernetes.repositoryKey' } : NOTHING,
  ),
  kubernetes_rpm_repo_arch: none('follows arch', ['x86_64', 'aarch64']),
  kubernetes_goarch: none('follows arch', ['amd64', 'arm64']),
  kubernetes_container_registry: to('kubernetes.imageRepository'),
  kubernetes_load_additional_imgs: means(
    'true: container images are pulled into the image',
    ['recipes.prepull.kubeadmImages'],
    (value) => (isTrue(value) ? { set: { 'recipes.prepull.kubeadmImages': true } } : NOTHING),
  ),
  kubelet_extra_args: to('kubernetes.kubeletExtraArgs', words),
  kubernetes_enable_automatic_resource_sizing: to('kubernetes.resourceSizing', flag),
  kubernetes_apiserver_port: none('is chosen when a cluster is made, by kubeadm’s configuration', ['6443']),
  kubeadm_template: none('kubeadm’s own list of images is pulled, without a configuration file', ['etc/kubeadm.yml']),
  kubernetes_typed_version: none('the name of an image is the setting name'),
  kubernetes_cni_semver: to('recipes.cni.version', (value) => value.replace(/^v/, '')),
  kubernetes_cni_source_type: to('recipes.cni.source', oneOf({ pkg: 'auto', http: 'upstream' })),
  kubernetes_cni_deb_version: cniPackage('debian'),
  kubernetes_cni_rpm_version: cniPackage('rpm'),
  kubernetes_cni_http_source: to('recipes.cni.github', before('/containernetworking/plugins/releases/download')),
  kubernetes_cni_http_checksum: means('sha256:<hex>', ['recipes.cni.sha256'], (value) => {
    const digest = /^sha256:([0-9a-f]{64})$/.exec(value)?.[1];
    return digest === undefined
      ? { warn: 'must be sha256:<digest>; a URL vouches for nothing' }
      : { set: { 'recipes.cni.sha256': digest } };
  }),
  ...noneOf(['systemd_prefix', 'sysusr_prefix', 'sysusrlocal_prefix'], 'recipes know the folders of each system', [
    '/usr/lib/systemd',
    '/usr',
    '/usr/local',
    '/etc/systemd',
    '/opt',
  ]),
};

/** A version that is not the one of kubernetes_semver: left behind when that was changed, or a contradiction. */
function differs(value: string, version: string, { overruledBy }: Reading): Converted {
  return overruledBy('kubernetes_semver')
    ? { warn: `says ${value}, but kubernetes_semver ${version} counts` }
    : { wrong: `says ${value}, but kubernetes_semver says ${version}` };
}

type Kind = 'debian' | 'rpm';

/** Variables come in pairs, one for deb and one for rpm; only one is the image's. */
function concerns(kind: Kind, { family }: Reading): boolean {
  return family === undefined || (family === 'debian') === (kind === 'debian');
}

function packageVersion(kind: Kind): PackerName {
  return means(
    `exact package version, on ${kind === 'debian' ? 'deb' : 'rpm'} systems`,
    ['kubernetes.packageVersion'],
    (value, reading) => {
      const wanted = reading.other('kubernetes_semver')?.replace(/^v/, '');
      const release = /^\d+\.\d+\.\d+/.exec(value)?.[0];
      if (wanted !== undefined && release !== undefined && release !== wanted) {
        return differs(value, `v${wanted}`, reading);
      }
      // A release alone is what kubernetes.version gives anyway.
      if (!concerns(kind, reading) || reading.other('kubernetes_source_type') === 'http') return NOTHING;
      // Package builds of a release are numbered from 1.1; the newest is the default.
      if (value === `${wanted}-1.1`) return NOTHING;
      if (release === value) return wanted === undefined ? { set: { 'kubernetes.version': `v${value}` } } : NOTHING;
      return {
        set: {
          ...(wanted === undefined && release !== undefined ? { 'kubernetes.version': `v${release}` } : {}),
          'kubernetes.packageVersion': value,
        },
      };
    },
  );
}

function repository(kind: Kind): PackerName {
  return means('what stands before /core:/stable:/', ['kubernetes.repository'], (value, reading) => {
    if (!concerns(kind, reading)) return NOTHING;
    const before = beforeSeries(value);
    if (before !== undefined) return { set: { 'kubernetes.repository': before } };
    return {
      wrong: `must hold /core:/stable:/v1.x/…, got ${JSON.stringify(value)}`,
      hint: 'mirror pkgs.k8s.io with its folders, or use kubernetes.source http',
    };
  });
}

function repositoryKey(kind: Kind): PackerName {
  return means(
    'the key of pkgs.k8s.io is pinned; another one is given as text by kubernetes.repositoryKey',
    [],
    (value, reading) =>
      !concerns(kind, reading) || value.startsWith('https://pkgs.k8s.io/')
        ? NOTHING
        : { warn: 'a key fetched from beside what it signs vouches for nothing; give its text by kubernetes.repositoryKey' },
  );
}

function cniPackage(kind: Kind): PackerName {
  return means(
    `exact package version, on ${kind === 'debian' ? 'deb' : 'rpm'} systems`,
    ['recipes.cni.packageVersion'],
    (value, reading) => (concerns(kind, reading) ? { set: { 'recipes.cni.packageVersion': value } } : NOTHING),
  );
}
