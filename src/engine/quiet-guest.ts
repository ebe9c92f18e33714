import { type OsDefinition, type PackageManager, type Sh, sh } from '../core/index.ts';

/** Services that change packages by themselves, whether or not a timer starts them. systemctl(1) passes over those that are not there. */
const RPM_BACKGROUND = ['packagekit.service', 'fwupd.service'];
const RPM_LOCKS = ['/var/lib/rpm/.rpm.lock', '/usr/lib/sysimage/rpm/.rpm.lock'];

const BACKGROUND: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: ['unattended-upgrades.service', 'packagekit.service', 'fwupd.service', 'e2scrub_reap.service'],
  dnf: RPM_BACKGROUND,
  yum: RPM_BACKGROUND,
  tdnf: RPM_BACKGROUND,
  zypper: RPM_BACKGROUND,
};

/** Files whose lock says that packages are being changed; dnf and rpm wait for each other by themselves. */
const LOCKS: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: ['/var/lib/dpkg/lock-frontend', '/var/lib/dpkg/lock', '/var/lib/apt/lists/lock', '/var/cache/apt/archives/lock'],
  dnf: RPM_LOCKS,
  yum: RPM_LOCKS,
  tdnf: RPM_LOCKS,
  zypper: RPM_LOCKS,
};

/**
 * Keeps still what would change the guest by itself while it is built: timers with what they start, for this boot only. The clock of a
 * resumed guest jumps, and would set them all off. Then waits until nobody holds a lock of the package manager (proc_locks(5)).
 */
export function quietGuest({ packageManager }: Pick<OsDefinition, 'packageManager'>): Sh {
  return sh`
    services=$(systemctl show --property=Unit --value '*.timer' | sort -u)
    systemctl stop '*.timer' $services ${BACKGROUND[packageManager]} 2>/dev/null || :
    for file in ${LOCKS[packageManager]}; do
      if inode=$(stat -c %i "$file" 2>/dev/null); then
        while grep -q ":$inode " /proc/locks; do sleep 0.2; done
      fi
    done
  `;
}
