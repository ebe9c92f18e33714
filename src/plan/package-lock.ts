import { type Sh, sh } from '../core/index.ts';

/** How long another program may change packages before a build gives up. */
export const LOCK_SECONDS = 300;
/** EX_TEMPFAIL of sysexits.h: waitForLock gave up. */
export const LOCKED_EXIT = 75;

/**
 * Waits while a process holds one of `locks` (fcntl(2); /proc/locks is described in proc_locks(5)), or is named in one of `pidFiles` (paths with up to one
 * `*`), and ends with LOCKED_EXIT and the name of that program when it takes too long.
 */
export function waitForLock(locks: readonly string[], pidFiles: readonly string[] = []): Sh {
  return sh`
    holder() {
      for file in ${locks}; do
        inode=$(stat -c %i "$file" 2>/dev/null) || continue
        sed -n "s/^[0-9]*: [A-Z]* *[A-Z]* *[A-Z]* *\([0-9]*\) [^ ]*:$inode .*/\1/p" /proc/locks
      done
      for file in ${pidFiles.reduce((all, path) => sh`${all} ${glob(path)}`, sh``)}; do
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
        exit ${LOCKED_EXIT}
      fi
      sleep 2
      waited=$((waited + 2))
    done
  `;
}

function glob(pattern: string): Sh {
  const [before = '', after = ''] = pattern.split('*');
  return pattern.includes('*') ? sh`${before}*${after}` : sh`${pattern}`;
}
