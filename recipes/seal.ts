import { z } from 'zod';
import {
  type Action,
  BUILD_USER,
  type Check,
  defineRecipe,
  type OsDefinition,
  type Sh,
  SSHD_DROP_IN,
  sh,
} from '../src/core/index.ts';

const TRIM_TIMEOUT_MS = 600_000;
const TIMEOUT_MS = 300_000;

const params = z.strictObject({
  trim: z.boolean().default(true).describe('Whether to give unused blocks back, which makes the image smaller'),
});

/**
 * Takes away what must not ship: identities, keys, leases, logs, caches and, as the last thing, the login of the build itself. What
 * runs on would write some of it again at power-off, so that is stopped first. systemd.io/BUILDING_IMAGES lists most of it.
 */
export const seal = defineRecipe({
  name: 'seal',
  summary: 'removes identities, keys, passwords, logs, caches and the build’s login',
  params,
  steps: ({ os }, { trim }) => [
    stopWriters,
    cleanPackages[os.packageManager],
    forgetNetwork,
    resetCloudInit,
    removePersonalFiles,
    removePasswords,
    removeLogs,
    forgetIdentity,
    removeTemporaryFiles,
    ...(trim ? [trimFileSystems] : []),
    removeLogin,
  ],
  checks: ({ os }) => [machineIdCheck, hostKeyCheck(os)],
});

function step(title: string, script: Sh, timeoutMs = TIMEOUT_MS) {
  return { kind: 'exec', title, script, timeoutMs } satisfies Action;
}

/** Each of them saves its state when it is stopped. The journal goes on in memory only. */
const stopWriters = step(
  'stop what writes at power-off',
  sh`
    systemctl stop systemd-random-seed.service systemd-update-utmp.service syslog.socket rsyslog.service 2>/dev/null || :
    if command -v auditctl >/dev/null; then auditctl -e 0 >/dev/null || :; fi
    journalctl --rotate
    journalctl --relinquish-var
  `,
);

const cleanRpm = step(
  'remove package caches',
  sh`
      rm -rf /var/cache/dnf /var/cache/libdnf5 /var/cache/yum /var/cache/tdnf /var/cache/zypp
    `,
);

const cleanPackages = {
  apt: step(
    'remove package caches',
    sh`
      apt-get clean
      rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
    `,
  ),
  dnf: cleanRpm,
  yum: cleanRpm,
  tdnf: cleanRpm,
  zypper: cleanRpm,
} as const;

/** Leases, and the configuration that cloud-init made for the machine of the build. */
const forgetNetwork = step(
  'forget the network of the build',
  sh`
    rm -rf /var/lib/dhcp/* /var/lib/dhclient/* /var/lib/dhcpcd/*.lease /var/lib/NetworkManager/*
    rm -f /etc/netplan/*cloud-init* /etc/network/interfaces.d/*cloud-init* /etc/systemd/network/*cloud-init*.network /etc/systemd/network/*cloud-init*.link
    rm -f /etc/NetworkManager/system-connections/cloud-init-* /etc/NetworkManager/conf.d/*cloud-init* /etc/udev/rules.d/70-persistent-net.rules
    for file in /etc/sysconfig/network-scripts/ifcfg-*; do
      if [ -f "$file" ] && grep -q 'Created by cloud-init' "$file"; then rm -f "$file"; fi
    done
    if [ -f /etc/resolv.conf ] && [ ! -L /etc/resolv.conf ]; then : >/etc/resolv.conf; fi
  `,
);

/** All that `cloud-init clean --logs --seed` does, without the seconds that Python takes to start in an emulated guest. */
const resetCloudInit = step(
  'make cloud-init start over',
  sh`
    for script in /etc/cloud/clean.d/*; do
      if [ -f "$script" ] && [ -x "$script" ]; then "$script"; fi
    done
    rm -rf /var/lib/cloud /etc/cloud/cloud-init.disabled /etc/cloud/cloud.cfg.d/50-curtin-networking.cfg
    rm -f /etc/ssh/sshd_config.d/50-cloud-init.conf
  `,
);

const removePersonalFiles = step(
  'remove keys and histories of all users',
  sh`
    getent passwd | cut -d: -f6 | sort -u | {
      set --
      while read -r home; do
        if [ "$home" = / ] || [ "$home" = ${`/home/${BUILD_USER}`} ] || [ ! -d "$home" ]; then continue; fi
        set -- "$@" "$home"/.ssh/authorized_keys* "$home"/.ssh/id_* "$home"/.ssh/known_hosts* "$home"/.history "$home"/.*_history
        set -- "$@" "$home"/.lesshst "$home"/.viminfo "$home"/.wget-hsts "$home"/.sudo_as_admin_successful
      done
      rm -f "$@"
    }
    rm -rf /root/.cache /root/anaconda-ks.cfg /root/original-ks.cfg
  `,
);

/** A locked hash counts too: unlocking would bring its password back. `*` matches none (shadow(5)). */
const removePasswords = step(
  'remove all passwords',
  sh`
    getent shadow | while IFS=: read -r name password rest; do
      case $password in
        '' | *[!!*]*) usermod --password '*' "$name" ;;
      esac
    done
  `,
);

const removeLogs = step(
  'remove logs',
  sh`
    rm -rf /var/log/journal/* /var/log/installer /var/log/cloud-init*
    rm -rf /var/lib/systemd/coredump/* /var/crash/*
    find /var/log -type f '(' -name '*.gz' -o -name '*.xz' -o -name '*.[0-9]' -o -name '*.old' -o -name '*-[0-9]*' ')' -delete
    find /var/log -type f -exec truncate --size=0 '{}' +
    rm -f /var/lib/lastlog/lastlog2.db* /var/lib/wtmpdb/wtmp.db*
  `,
);

/**
 * An empty machine-id, unlike a missing one, is filled in without calling it a first boot (machine-id(5)), which would reset units. containerd
 * names itself when it first runs, and ldconfig's second cache holds the inode numbers of this disk (ldconfig(8), --ignore-aux-cache).
 */
const forgetIdentity = step(
  'forget machine-id, host name and random seed',
  sh`
    : >/etc/machine-id
    rm -f /var/lib/dbus/machine-id
    : >/etc/hostname
    sed -i '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts
    rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/systemd/credential.secret
    rm -f /var/lib/containerd/io.containerd.grpc.v1.introspection/uuid /var/cache/ldconfig/aux-cache
  `,
);

/** Some belong to services that still run; those go with the next boot (tmpfiles.d). */
const removeTemporaryFiles = step('empty /tmp and /var/tmp', sh`find /tmp /var/tmp -xdev -mindepth 1 -delete 2>/dev/null || :`);

/** ext4 trims what was freed once its journal has it (fs/ext4/mballoc.c), hence the sync. */
const trimFileSystems = step(
  'give unused blocks back',
  sh`
    sync
    fstrim --all --verbose
  `,
  TRIM_TIMEOUT_MS,
);

/** Nobody can log in after this; the script goes on because it runs as root already. The copies hold the account as it was. */
const removeLogin = step(
  'remove host keys and the login of the build',
  sh`
    rm -f /etc/ssh/ssh_host_* /etc/sudoers.d/90-cloud-init-users ${SSHD_DROP_IN}
    if id -u ${BUILD_USER} >/dev/null 2>&1; then
      userdel --force --remove ${BUILD_USER} 2>&1 || [ ! -e ${`/home/${BUILD_USER}`} ]
    fi
    rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid-
    rm -rf ${`/var/mail/${BUILD_USER}`} ${`/var/lib/systemd/linger/${BUILD_USER}`}
    for file in /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid; do
      if [ -e "$file" ] && grep ${`^${BUILD_USER}:`} "$file"; then
        echo "$file still names the login of the build" >&2
        exit 1
      fi
    done
    sync
  `,
);

const machineIdCheck: Check = {
  name: 'seal/machine-id',
  title: 'the machine has an identity of its own',
  script: sh`cat /etc/machine-id`,
  expect: { kind: 'matches', pattern: '^[0-9a-f]{32}$' },
  when: ['boot'],
};

function hostKeyCheck(os: OsDefinition): Check {
  return {
    name: 'seal/host-keys',
    title: 'the SSH server has host keys of its own',
    script: sh`
      systemctl is-active ${os.sshUnit}
      for key in /etc/ssh/ssh_host_*_key; do ssh-keygen -l -f "$key"; done
    `,
    expect: { kind: 'success' },
    when: ['boot'],
  };
}

/** What of this makes a copy of a running machine one that was never booted, and takes the build's login off it; the rest of the system stays as it is. */
export const forgetMachine: readonly Sh[] = [stopWriters, forgetNetwork, resetCloudInit, forgetIdentity, removeLogin].map(
  ({ script }) => script,
);
