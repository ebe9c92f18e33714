import { noneOf, type PackerNames } from './name.ts';

/** Variables whose values are variables themselves, `a=1 b=2`; interpret.ts takes them apart. */
export const ANSIBLE_BUNDLES = ['ansible_common_vars', 'ansible_extra_vars', 'ansible_user_vars'] as const;

/** packer/config/ansible-args.json and goss-args.json. */
export const ANSIBLE_NAMES: PackerNames = {
  ...noneOf(
    [
      ...ANSIBLE_BUNDLES,
      'ansible_collections_path',
      'ansible_common_ssh_args',
      'ansible_python_interpreter',
      'ansible_scp_extra_args',
      'ansible_timeout',
      'existing_ansible_ssh_args',
      'extra_arguments',
      'node_ansible_tmpdir',
      'pypy_http_source',
      'python_path',
    ],
    'no Ansible is run, and the guest needs no Python',
  ),
  ...noneOf(
    [
      'goss_arch',
      'goss_download_path',
      'goss_entry_file',
      'goss_format',
      'goss_format_options',
      'goss_inspect_mode',
      'goss_remote_folder',
      'goss_remote_path',
      'goss_retry_timeout',
      'goss_skip_install',
      'goss_sleep',
      'goss_tests_dir',
      'goss_url',
      'goss_vars_file',
      'goss_version',
    ],
    'recipes bring their own checks, on the build and on a fresh boot; no goss is run',
  ),
};
