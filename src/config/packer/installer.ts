import { noneOf, type PackerNames } from './name.ts';

const INSTALLER = 'no installer is run: an image starts from the distributor’s cloud image, or from base';
const LOGIN = 'each build has a key of its own for its login, and no password';

/** Keystrokes, seeds and logins that drive an installer. */
export const INSTALLER_NAMES: PackerNames = {
  ...noneOf(
    [
      'boot_command',
      'boot_command_prefix',
      'boot_command_suffix',
      'boot_disable_ipv6',
      'boot_media_path',
      'boot_wait',
      'cd_content_location',
      'cd_files',
      'cd_label',
      'floppy_dirs',
      'http_directory',
      'http_ip',
      'http_port_max',
      'http_port_min',
      'iso_checksum',
      'iso_checksum_type',
      'iso_url',
      'source_path',
      'unmount_iso',
    ],
    INSTALLER,
  ),
  ...noneOf(
    [
      'ssh_username',
      'ssh_password',
      'ssh_private_key_file',
      'ssh_public_key',
      'ssh_keypair_name',
      'SSH_PASSWORD',
      'ENCRYPTED_SSH_PASSWORD',
    ],
    LOGIN,
    ['builder', '$SSH_PASSWORD'],
  ),
  ...noneOf(
    ['ssh_timeout', 'ssh_handshake_attempts', 'ip_settle_timeout', 'ip_wait_timeout'],
    'each phase of the boot has a deadline of its own',
  ),
  shutdown_command: noneOf(['shutdown_command'], 'the guest is powered off by its init system')[
    'shutdown_command'
  ] as PackerNames[string],
  ...noneOf(
    ['user_data', 'user_data_file'],
    'the seed of a build is fixed; what the finished image does is provision and cloud-init’s',
  ),
};
