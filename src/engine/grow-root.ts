import { sh } from '../core/index.ts';
import type { Guest } from './guest.ts';

const TIMEOUT_MS = 120_000;

/**
 * What cloud-init's growpart and resizefs do: makes the root file system as large as the disk. growpart exits with 1 when there is nothing to grow
 * (growpart(1)).
 */
export const growScript = sh`
  root=$(findmnt --noheadings --output SOURCE /)
  device=$(readlink -f "/sys/class/block/\${root##*/}")
  if [ -e "$device/partition" ]; then
    code=0
    said=$(growpart "/dev/$(basename "$(dirname "$device")")" "$(cat "$device/partition")" 2>&1) || code=$?
    if [ "$code" -gt 1 ]; then echo "$said" >&2; exit "$code"; fi
  fi
  case $(findmnt --noheadings --output FSTYPE /) in
    xfs) xfs_growfs / ;;
    *) resize2fs "$root" ;;
  esac
`;

/** Runs growScript, for a guest whose cloud-init does not run. Throws KIB_ACTION_FAILED with what growpart or its like said. */
export async function growRoot(guest: Pick<Guest, 'run'>, signal: AbortSignal): Promise<void> {
  await guest.run(growScript, { signal, timeoutMs: TIMEOUT_MS });
}
