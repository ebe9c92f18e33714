import { errorMessage, isKibError, KibError, lines, sh } from '../core/index.ts';
import type { Guest } from './guest.ts';
import { OTHER_WAY } from './login.ts';

const TIMEOUT_MS = 120_000;

/** Exit code of the script for a cloud-init that runs all the same. */
const CLOUD_INIT_RUNS = 75;

/**
 * cloud-init stays off for the whole build, whatever a step tells it: at a reboot it would find no seed. The file is what its generator looks for
 * first (ds-identify); the seal recipe removes it.
 */
const keepCloudInitOff = sh`
  if [ -d /etc/cloud ]; then
    if command -v cloud-init >/dev/null 2>&1 && [ ! -e /run/cloud-init/disabled ]; then
      echo 'cloud-init runs without a datasource' >&2
      exit ${CLOUD_INIT_RUNS}
    fi
    : >/etc/cloud/cloud-init.disabled
  fi
`;

/** What its growpart and resizefs would do: growpart exits with 1 when there is nothing to grow (growpart(1)). */
const growRoot = sh`
  root=$(findmnt --noheadings --output SOURCE /)
  device=$(readlink -f "/sys/class/block/\${root##*/}")
  if [ -e "$device/partition" ]; then
    code=0
    said=$(growpart "/dev/$(basename "$(dirname "$device")")" "$(cat "$device/partition")" 2>&1) || code=$?
    if [ "$code" -gt 1 ]; then echo "growpart: $said" >&2; exit "$code"; fi
  fi
  case $(findmnt --noheadings --output FSTYPE /) in
    xfs) xfs_growfs / ;;
    *) resize2fs "$root" ;;
  esac
`;

/** Does in a guest that was given credentials what a build needs of cloud-init besides the login. */
export const settleScript = lines([keepCloudInitOff, growRoot]);

/** Runs settleScript. Throws KIB_CLOUDINIT_FAILED when cloud-init runs, KIB_ACTION_FAILED when the root file system cannot be grown. */
export async function settleGuest(guest: Pick<Guest, 'run'>, signal: AbortSignal): Promise<void> {
  try {
    await guest.run(settleScript, { signal, timeoutMs: TIMEOUT_MS });
  } catch (error) {
    if (!isKibError(error) || error.code !== 'KIB_ACTION_FAILED') throw error;
    const isCloudInit = error.details['exitCode'] === CLOUD_INIT_RUNS;
    const code = isCloudInit ? 'KIB_CLOUDINIT_FAILED' : 'KIB_ACTION_FAILED';
    throw new KibError(code, `the guest cannot be prepared: ${errorMessage(error)}`, { hint: OTHER_WAY, cause: error });
  }
}
