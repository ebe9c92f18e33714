import { commas, count, isTrue, unquoted, words } from './convert.ts';
import { means, NOTHING, none, noneOf, type PackerName, type PackerNames } from './name.ts';

const ECR = 'recipes.credential-provider.ecr';

/** packer/config/additional_components.json and ecr_credential_provider.json. */
export const COMPONENTS_NAMES: PackerNames = {
  load_additional_components: switchOf('additional_*'),
  additional_registry_images: switchOf('additional_registry_images_list'),
  additional_registry_images_list: list('additional_registry_images', ['recipes.components.images'], (names) => ({
    set: { 'recipes.components.images': names },
  })),
  additional_url_images: switchOf('additional_url_images_list'),
  additional_url_images_list: list('additional_url_images', [], (names) => ({
    warn: `image archives need their digests: recipes.components.archives with from: { url, sha256 } and the images they hold (${names.join(', ')})`,
  })),
  additional_executables: switchOf('additional_executables_list'),
  additional_executables_list: list('additional_executables', [], (names) => ({
    warn: `executables need their digests: recipes.components.files with from: { url, sha256 } and to (${names.join(', ')})`,
  })),
  additional_executables_destination_path: means('folder of additional_executables_list', [], () => NOTHING),
  additional_s3: none('buckets are not read; give https URLs with digests in recipes.components', ['false']),
  ...noneOf(
    [
      'additional_s3_access',
      'additional_s3_bucket',
      'additional_s3_destination_path',
      'additional_s3_endpoint',
      'additional_s3_object',
      'additional_s3_secret',
    ],
    'buckets are not read; give https URLs with digests in recipes.components',
  ),
  additional_s3_ceph: none('buckets are not read; give https URLs with digests in recipes.components', ['false']),
  ecr_credential_provider: means(
    'with ecr_credential_provider_*',
    [`${ECR}.version`, `${ECR}.images`, `${ECR}.base`, ECR],
    (value, { other }) => {
      if (!isTrue(value)) return NOTHING;
      const profile = other('ecr_credential_provider_aws_profile');
      const set = {
        version: other('ecr_credential_provider_version')?.replace(/^v/, ''),
        base: other('ecr_credential_provider_base_url'),
        images: wordsOrList(other('ecr_credential_provider_match_images')),
        // `default` is what AWS takes without being told.
        environment: profile === undefined || profile === 'default' ? undefined : { AWS_PROFILE: profile },
      };
      return { set: { [ECR]: Object.fromEntries(Object.entries(set).filter(([, member]) => member !== undefined)) } };
    },
  ),
  ecr_credential_provider_version: belongs(),
  ecr_credential_provider_match_images: belongs(),
  ecr_credential_provider_aws_profile: belongs(),
  ecr_credential_provider_arch: none('follows arch', ['amd64', 'arm64']),
  ecr_credential_provider_os: none('images are Linux', ['linux']),
  ecr_credential_provider_base_url: belongs(),
  ecr_credential_provider_binary_filename: none('the recipe names the file', ['ecr-credential-provider']),
  ecr_credential_provider_install_dir: none('the recipe knows the folder'),
  gpu_vendor: means('nvidia or amd', ['recipes.gpu.nvidia', 'recipes.gpu.amd'], (value, { other }) => {
    if (value === 'amd') {
      const version = other('amd_version');
      return { set: { 'recipes.gpu.amd': version === undefined ? {} : { version } } };
    }
    return value === 'nvidia'
      ? { warn: 'the driver’s installer needs its digest: recipes.gpu.nvidia.installer, a file of this host or { url, sha256 }' }
      : { wrong: `must be nvidia or amd, got ${JSON.stringify(value)}` };
  }),
  amd_version: means('with gpu_vendor', ['recipes.gpu.amd'], () => NOTHING),
  gridd_feature_type: means('licence of NVIDIA vGPU', ['recipes.gpu.nvidia.gridFeature'], (value) => {
    const feature = count(value);
    return feature === undefined ? { wrong: 'must be a number' } : { set: { 'recipes.gpu.nvidia.gridFeature': feature } };
  }),
  nvidia_tok_location: none('name the token’s file on this host by recipes.gpu.nvidia.licenseToken'),
  ...noneOf(['amd_usecase', 'gpu_amd_usecase', 'amd_deb_version'], 'the kernel’s driver is installed, from its repository'),
  ...noneOf(['block_nouveau_loading', 'gpu_block_nouveau_loading'], 'the gpu recipe always keeps nouveau out'),
  ...noneOf(
    [
      'nvidia_s3_url',
      'nvidia_bucket',
      'nvidia_bucket_access',
      'nvidia_bucket_secret',
      'nvidia_ceph',
      'nvidia_installer_location',
    ],
    'buckets are not read: recipes.gpu.nvidia.installer names a file of this host, or an https URL with its digest',
  ),
};

/** Says whether another variable counts. */
function switchOf(what: string): PackerName {
  return means(`says whether ${what} counts`, [], (value) =>
    /^(true|false|yes|no)$/i.test(unquoted(value)) ? NOTHING : { wrong: `must be true or false, got ${JSON.stringify(value)}` },
  );
}

function list(
  guard: string,
  settings: readonly string[],
  read: (names: readonly string[]) => ReturnType<PackerName['read']>,
): PackerName {
  return means(`counts when ${guard} and load_additional_components are true`, settings, (value, { other }) => {
    const names = commas(value);
    if (names.length === 0) return NOTHING;
    const off = ['load_additional_components', guard].filter((name) => !isTrue(other(name)));
    return off.length === 0 ? read(names) : { warn: `does not count: ${off.join(' and ')} must be true` };
  });
}

/** `["a", "b"]` as well as `a,b`. */
function wordsOrList(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const names = words(text.replaceAll(/[[\]"']/g, ' '));
  return names.length === 0 ? undefined : names;
}

function belongs(): PackerName {
  return means('with ecr_credential_provider', [ECR], () => NOTHING);
}
