import { before, commas, flag, fromBase64, isTrue } from './convert.ts';
import { means, NOTHING, none, type PackerNames, to } from './name.ts';

const pinnedShims = means('release v0.11.1 of the shims is pinned with its digests', [], (value, { other }) =>
  other('containerd_wasm_shims_runtimes') === undefined || value === 'v0.11.1'
    ? NOTHING
    : { warn: 'release v0.11.1 of the shims is pinned with its digests' },
);

/** packer/config/containerd.json and wasm-shims.json; crictl and the pause image. */
export const CONTAINERD_NAMES: PackerNames = {
  containerd_version: to('recipes.containerd.version'),
  containerd_sha256: to('recipes.containerd.sha256'),
  runc_version: to('recipes.containerd.runc'),
  crictl_version: to('recipes.containerd.crictl'),
  crictl_arch: none('follows arch', ['amd64', 'arm64']),
  pause_image: means(
    'of the container runtime',
    ['recipes.containerd.pauseImage', 'recipes.crio.pauseImage'],
    (value, { runtime }) => ({
      set: { [`recipes.${runtime}.pauseImage`]: value },
    }),
  ),
  containerd_additional_settings: means('more of config.toml, base64', ['recipes.containerd.settings'], (value) => {
    const text = fromBase64(value);
    return text === undefined
      ? { wrong: 'must be base64 of TOML text', hint: 'base64 -w0 settings.toml' }
      : { set: { 'recipes.containerd.settings': text } };
  }),
  containerd_config_file: none('is a template of Ansible; say what differs by recipes.containerd.settings'),
  containerd_enable_limit_no_file: means('1048576 open files', ['recipes.containerd.limitNofile'], (value) =>
    isTrue(value) ? { set: { 'recipes.containerd.limitNofile': 1_048_576 } } : NOTHING,
  ),
  containerd_gvisor_runtime: means('with containerd_gvisor_version', ['recipes.containerd.gvisor'], (value, { other }) => {
    if (!isTrue(value)) return NOTHING;
    const version = other('containerd_gvisor_version') ?? 'latest';
    // `latest` is the recipe's pinned release.
    return { set: version === 'latest' ? { 'recipes.containerd.gvisor': {} } : { 'recipes.containerd.gvisor.version': version } };
  }),
  containerd_gvisor_version: means('with containerd_gvisor_runtime', [], () => NOTHING),
  containerd_image_pull_progress_timeout: to('recipes.containerd.imagePullProgressTimeout'),
  containerd_cri_socket: none('containerd’s own socket is used, which /var/run leads to', [
    '/var/run/containerd/containerd.sock',
    '/run/containerd/containerd.sock',
  ]),
  containerd_url: to('recipes.containerd.github', before('/containerd/containerd/releases/download/')),
  containerd_baseurl: to('recipes.containerd.github', before('/containerd/containerd/releases/download')),
  runc_url: to('recipes.containerd.github', before('/opencontainers/runc/releases/download/')),
  containerd_runc_url: to('recipes.containerd.github', before('/opencontainers/runc/releases/download/')),
  containerd_runc_checksum_url: none('digests of releases are pinned; give another one by recipes.containerd.runcSha256'),
  crictl_url: none('crictl comes from recipes.containerd.github'),
  containerd_service_url: none('the unit is part of the recipe, so nothing unverified is fetched'),
  containerd_wasm_shims_runtimes: means('names of the shims', ['recipes.containerd.wasmShims'], (value) =>
    commas(value).length === 0 ? NOTHING : { set: { 'recipes.containerd.wasmShims': commas(value) } },
  ),
  ...Object.fromEntries(
    ['url', 'version', 'sha256', 'runtime_versions'].map((part) => [`containerd_wasm_shims_${part}`, pinnedShims]),
  ),
  enable_containerd_audit: means('audit rules of the runtime', ['recipes.audit.everything'], (value) =>
    flag(value) === true ? { set: { 'recipes.audit.everything': true } } : NOTHING,
  ),
};
