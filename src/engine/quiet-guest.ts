import { isKibError, KibError, lines, type OsDefinition, type PackageManager, type Sh, sh } from '../core/index.ts';
import { LOCK_SECONDS, LOCKED_EXIT, waitForLock } from '../plan/package-lock.ts';
import type { Guest } from './guest.ts';
import { packageFailure } from './package-errors.ts';

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

/** Files whose lock says that packages are being changed. */
const LOCKS: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: ['/var/lib/dpkg/lock-frontend', '/var/lib/dpkg/lock', '/var/lib/apt/lists/lock', '/var/cache/apt/archives/lock'],
  dnf: RPM_LOCKS,
  yum: RPM_LOCKS,
  tdnf: RPM_LOCKS,
  zypper: RPM_LOCKS,
};

/** unattended-upgrades.service may take half an hour to stop; who it is, is then told by the lock it holds. */
const STOP_SECONDS = 120;
const GRACE_SECONDS = 60;

/**
 * Keeps still what would change the guest by itself while it is built: timers with what they start, for this boot only. The clock of a
 * resumed guest jumps, and would set them all off. Then waits until nobody holds a lock of the package manager.
 */
export function quietGuest({ packageManager }: Pick<OsDefinition, 'packageManager'>): Sh {
  return lines([
    sh`
      services=$(systemctl show --property=Unit --value '*.timer' | sort -u)
      timeout ${STOP_SECONDS} systemctl stop '*.timer' $services ${BACKGROUND[packageManager]} 2>/dev/null || :
    `,
    waitForLock(LOCKS[packageManager]),
  ]);
}

/** Runs quietGuest. Throws KIB_PACKAGE_LOCK, with the program's name, when the base's own changes of packages do not end. */
export async function silence(guest: Pick<Guest, 'run'>, os: OsDefinition, signal: AbortSignal): Promise<void> {
  const timeoutMs = (STOP_SECONDS + LOCK_SECONDS + GRACE_SECONDS) * 1000;
  try {
    await guest.run(quietGuest(os), { signal, timeoutMs });
  } catch (error) {
    if (!isKibError(error) || error.details['exitCode'] !== LOCKED_EXIT) throw error;
    const { code, message, hint } = packageFailure(error.message.split('\n')) ?? error;
    throw new KibError(code, message, { hint, cause: error });
  }
}
