import { stringify } from 'yaml';

/** The account a build logs in with. It exists only while building; seal removes it. */
export interface Login {
  readonly username: string;
  /** `ssh-ed25519 AAAA… comment`. */
  readonly authorizedKey: string;
}

/** The guest's SSH host key, made by us so that it can be pinned. */
export interface HostKey {
  /** OpenSSH private key text, ed25519. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA… comment`. */
  readonly publicKey: string;
}

export interface UserDataOptions {
  readonly login: Login;
  readonly hostKey: HostKey;
  /** Run only the cloud-init modules that a build needs; the verdict runs all of them, as a user's first boot would. */
  readonly minimal: boolean;
}

/** What a build needs of cloud-init: a grown disk, a name, a login and a known host key. */
const MINIMAL_MODULES = {
  cloud_init_modules: ['growpart', 'resizefs', 'set_hostname', 'users_groups', 'ssh'],
  cloud_config_modules: [],
  cloud_final_modules: ['final_message'],
};

/**
 * cloud-config for one boot: one key-only account with sudo, our host key, no passwords, no package changes.
 * Keys as in the cloud-init module reference (cc_users_groups, cc_ssh).
 */
export function userData({ login, hostKey, minimal }: UserDataOptions): string {
  const document = {
    // Without `default` in the list the distribution's own account is not created.
    users: [
      {
        name: login.username,
        gecos: 'kib-native build',
        shell: '/bin/bash',
        lock_passwd: true,
        sudo: 'ALL=(ALL) NOPASSWD:ALL',
        ssh_authorized_keys: [login.authorizedKey],
      },
    ],
    disable_root: true,
    ssh_pwauth: false,
    ssh_deletekeys: true,
    // With ssh_keys given cloud-init generates none of its own, so this is the only host key the guest has.
    ssh_keys: { ed25519_private: `${hostKey.privateKey.trimEnd()}\n`, ed25519_public: `${hostKey.publicKey.trim()}\n` },
    package_update: false,
    package_upgrade: false,
    ...(minimal ? MINIMAL_MODULES : { manage_etc_hosts: true }),
  };
  return `#cloud-config\n${stringify(document, { lineWidth: 0 })}`;
}
