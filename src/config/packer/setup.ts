import { flag, isTrue, unquoted, words } from './convert.ts';
import { means, NOTHING, none, type PackerName, type PackerNames, type Reading } from './name.ts';

const ROLES = 'Ansible roles cannot be run here; write their steps under provision with';

const IMMUTABLE = [
  'autoinstall_profile',
  'immutable_data_partition',
  'immutable_data_partition_fstype',
  'immutable_data_partition_label',
  'immutable_data_partition_mount',
  'immutable_data_partition_mount_options',
  'immutable_persistent_paths',
  'immutable_read_only_root',
  'immutable_root_partition_size',
  'immutable_tmpfs_paths',
];

const immutable = means('an image with a read-only root cannot be made', [], (_value, { other }) =>
  isTrue(other('immutable_data_partition')) || isTrue(other('immutable_read_only_root'))
    ? { warn: 'a cloud image has its partitions already; an image with a read-only root cannot be made' }
    : NOTHING,
);

/** packer/config/common.json, and the variables of the setup role. */
export const SETUP_NAMES: PackerNames = {
  extra_debs: packages('debian'),
  extra_rpms: packages('rpm'),
  pinned_debs: packages('debian'),
  extra_repos: means('files of repository definitions on this host', ['recipes.setup.repositories'], (value) => {
    const files = words(value).map((file) => ({ file }));
    return files.length === 0 ? NOTHING : { set: { 'recipes.setup.repositories': files } };
  }),
  disable_public_repos: means('true: the repositories of the base are left alone', ['recipes.setup.disable'], (value) =>
    isTrue(value) ? { set: { 'recipes.setup.disable': true } } : NOTHING,
  ),
  reenable_public_repos: means('false: nodes leave them alone too', ['recipes.setup.keepDisabled'], (value, { other }) => {
    const reenable = flag(value);
    if (reenable === undefined) return { wrong: `must be true or false, got ${JSON.stringify(value)}` };
    return isTrue(other('disable_public_repos')) ? { set: { 'recipes.setup.keepDisabled': !reenable } } : NOTHING;
  }),
  remove_extra_repos: means(
    'whether extra_repos leave the finished image',
    ['recipes.setup.removeRepositories'],
    (value, { other }) =>
      isTrue(value) && other('extra_repos') !== undefined ? { set: { 'recipes.setup.removeRepositories': true } } : NOTHING,
  ),
  http_proxy: proxy('http'),
  https_proxy: proxy('https'),
  no_proxy: means(
    'with http_proxy and https_proxy',
    ['recipes.setup.proxy.noProxy', 'recipes.containerd.proxy.no', 'recipes.crio.proxy.no'],
    (value, { other, runtime }) =>
      other('http_proxy') === undefined && other('https_proxy') === undefined
        ? NOTHING
        : { set: { 'recipes.setup.proxy.noProxy': words(value), [`recipes.${runtime}.proxy.no`]: words(value) } },
  ),
  ubuntu_repo: mirror('main', 'package archive'),
  ubuntu_security_repo: mirror('security', 'archive of security updates'),
  redhat_epel_rpm: none('no recipe needs EPEL; recipes.setup.epel adds it when your packages do'),
  epel_rpm_gpg_key: none('no recipe needs EPEL; recipes.setup.epel adds it when your packages do'),
  pip_conf_file: none('nothing is installed by pip'),
  extra_kernel_boot_params: means('boot parameters of the kernel', ['recipes.node.kernelArgs'], (value) => {
    const args = words(value);
    return args.length === 0 ? NOTHING : { set: { 'recipes.node.kernelArgs': args } };
  }),
  leak_local_mdns_to_dns: means('Photon OS: names below .local are asked of DNS servers', ['recipes.node.mdnsToDns'], (value) =>
    isTrue(value) ? { set: { 'recipes.node.mdnsToDns': true } } : NOTHING,
  ),
  netplan_removal_excludes: none('only what cloud-init wrote is removed from netplan; your own files stay'),
  debug_tools: none('installs the az command, which only Azure’s images have; name packages by recipes.setup.packages', [
    'false',
  ]),
  remove_nameserver: none('a resolv.conf that is no link is always emptied', ['true']),
  machine_id_mode: none('an empty machine-id keeps the mode the system gave it', ['444', '0444', '644', '0644']),
  build_target: none('is what formats and driver say', ['virt', 'raw']),
  kubevirt: means('true: for KubeVirt too', ['recipes.providers.targets'], (value) =>
    isTrue(value) ? { set: { 'recipes.providers.targets': ['qemu', 'kubevirt'] } } : NOTHING,
  ),
  packer_builder_type: none('what an image is made for is recipes.providers.targets, by default what driver and formats say'),
  provider: means('cloudstack or maas', ['recipes.cloud-init.datasources'], (value) => {
    const datasource = { cloudstack: 'CloudStack', maas: 'MAAS' }[value];
    return datasource === undefined
      ? { warn: 'what an image is made for is recipes.providers.targets' }
      : { set: { 'recipes.cloud-init.datasources': [datasource, 'None'] } };
  }),
  networkd_dispatcher_download_url: none('time servers of DHCP reach chrony by recipes.providers.dhcpNtp'),
  var_log_messages_maxsize: none('rotate your own logs by a file under provision'),
  external_binary_path: none('the search path of build and image is the system’s'),
  firstboot_custom_roles_pre: role('before-packages'),
  firstboot_custom_roles_post: role('after-packages'),
  node_custom_roles_pre: role('before-recipes'),
  node_custom_roles_post: role('after-recipes'),
  custom_role_names: role('after-recipes'),
  node_custom_roles_post_sysprep: role('after-seal'),
  ...Object.fromEntries(IMMUTABLE.map((name) => [name, immutable])),
};

type Kind = 'debian' | 'rpm';

function concerns(kind: Kind, { family }: Reading): boolean {
  return family === undefined || (family === 'debian') === (kind === 'debian');
}

/** One list of all. apt takes `docker.io=1.2-3`; pinned packages stay at their version. */
function packages(kind: Kind): PackerName {
  return means(`packages, on ${kind === 'debian' ? 'deb' : 'rpm'} systems`, ['recipes.setup.packages'], (value, reading) => {
    const names = kind === 'debian' ? ['extra_debs', 'pinned_debs'] : ['extra_rpms'];
    const all = [...new Set(names.flatMap((name) => words(stripList(reading.other(name) ?? ''))))];
    if (words(value).length === 0 || all.length === 0) return NOTHING;
    if (!concerns(kind, reading)) return { warn: `is for ${kind === 'debian' ? 'deb' : 'rpm'} systems, which this image is not` };
    const pinned = kind === 'debian' ? words(stripList(reading.other('pinned_debs') ?? '')) : [];
    return { set: { 'recipes.setup.packages': all.map((text) => request(text, pinned.includes(text))) } };
  });
}

function request(text: string, isPinned: boolean): unknown {
  const [name = '', version] = text.split('=');
  if (version === undefined && !isPinned) return name;
  return { name, ...(version === undefined ? {} : { version }), ...(isPinned ? { hold: true } : {}) };
}

/** Ansible's list `['a', 'b']` as well as `a b`. */
function stripList(value: string): string {
  return unquoted(value).replaceAll(/[[\]"']/g, ' ');
}

/** For packages and for container images; neither is part of the image. */
function proxy(kind: 'http' | 'https'): PackerName {
  const settings = ['setup', 'containerd', 'crio'].map((recipe) => `recipes.${recipe}.proxy.${kind}`);
  return means('used while building, not part of the image', settings, (value, { runtime }) => ({
    set: { [`recipes.setup.proxy.${kind}`]: value, [`recipes.${runtime}.proxy.${kind}`]: value },
  }));
}

/** Ubuntu's own archives need no saying: the base has them. */
function mirror(kind: 'main' | 'security', note: string): PackerName {
  return means(note, [`recipes.setup.mirror.${kind}`], (value, { family }) =>
    (family !== undefined && family !== 'debian') || /^https?:\/\/[\w.-]+\.ubuntu\.com\//.test(value)
      ? NOTHING
      : { set: { [`recipes.setup.mirror.${kind}`]: value } },
  );
}

function role(at: string): PackerName {
  return means(`${ROLES} at: ${at}`, [], (value) => {
    // The gpu role has a recipe, which gpu_vendor names.
    const names = words(value).filter((name) => name !== 'gpu');
    return names.length === 0 ? NOTHING : { warn: `${ROLES} at: ${at} (${names.join(', ')})` };
  });
}
