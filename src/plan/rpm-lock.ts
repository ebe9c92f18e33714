import { type Sh, sh } from '../core/index.ts';

/** How long another program may change packages before a build gives up. */
export const LOCK_SECONDS = 300;

/** rpm's own, which is locked (fcntl(2)) by whoever changes its database. */
const RPM_LOCKS = ['/var/lib/rpm/.rpm.lock', '/usr/lib/sysimage/rpm/.rpm.lock', '/run/.tdnf-instance-lockfile'];
/** They hold the number of a process. Of dnf (dnf/lock.py), yum and zypper. */
const PID_FILES = ['/var/cache/dnf/*_lock.pid', '/var/lib/dnf/*_lock.pid', '/run/yum.pid', '/run/zypp.pid'];

/**
 * Waits while another program changes packages, which dnf and rpm do without end, and ends with 75 (EX_TEMPFAIL, sysexits.h) and the
 * name of that program when it takes too long. /proc/locks is described in proc_locks(5).
 */
export const waitForRpmLock: Sh = sh`
  holder() {
    for file in ${RPM_LOCKS}; do
      inode=$(stat -c %i "$file" 2>/dev/null) || continue
      sed -n "s/^[0-9]*: [A-Z]* *[A-Z]* *[A-Z]* *\([0-9]*\) [^ ]*:$inode .*/\1/p" /proc/locks
    done
    for file in ${PID_FILES.reduce((all, path) => sh`${all} ${glob(path)}`, sh``)}; do
      if [ -s "$file" ]; then cat "$file"; fi
    done
  }
  waited=0
  while :; do
    found=
    for pid in $(holder); do
      if [ -d "/proc/$pid" ]; then found=$pid; fi
    done
    if [ -z "$found" ]; then break; fi
    if [ "$waited" -ge ${LOCK_SECONDS} ]; then
      echo "the package database is locked by process $found ($(tr '\0\n' '  ' <"/proc/$found/cmdline"))" >&2
      exit 75
    fi
    sleep 2
    waited=$((waited + 2))
  done
`;

function glob(pattern: string): Sh {
  const [before = '', after = ''] = pattern.split('*');
  return pattern.includes('*') ? sh`${before}*${after}` : sh`${pattern}`;
}
