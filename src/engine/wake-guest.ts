import { randomBytes } from 'node:crypto';
import {
  type Clock,
  type Context,
  type Credentials,
  isKibError,
  KibError,
  type RunningMachine,
  retry,
  type Sh,
  sh,
  withDeadline,
} from '../core/index.ts';
import { connector } from './boot-wait.ts';
import { Guest } from './guest.ts';

/** A machine that runs on answers at once; one that does not within this time, times the square root of its slowness, is broken. */
const LOGIN_MS = 15_000;
const RETRY = { attempts: 200, delayMs: 100, maxDelayMs: 500 };

/**
 * Logs in to a machine that was continued from its memory and tells it what it missed: the time, and that its random numbers must not be those
 * of the other machines continued from the same memory. Throws KIB_SSH_LOST and other errors of the guest.
 */
export async function wakeGuest(machine: RunningMachine, credentials: Credentials, context: Context): Promise<Guest> {
  const ms = LOGIN_MS * Math.ceil(Math.sqrt(machine.slowness));
  const { clock, signal } = context;
  const onTimeout = () => new KibError('KIB_SSH_LOST', `no login within ${ms / 1000} s of being continued`, { retryable: true });
  const connect = connector(machine, credentials, context);
  const when = (error: unknown) => isKibError(error) && error.retryable;
  const login = withDeadline({ ms, clock, signal, onTimeout }, (inner) =>
    retry({ ...RETRY, clock, signal: inner, when }, () => connect(inner)),
  );
  const transport = await Promise.race([login, machine.exited]);
  const guest = new Guest(transport, { connect, clock, slowness: machine.slowness });
  try {
    await guest.run(wake(clock), { signal });
    return guest;
  } catch (error) {
    await guest[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The clock first: certificates and package lists are judged by it. What is written to urandom is only mixed into the kernel's pool, of which its
 * generator takes a new key within a minute (random(4)); until then all machines of one memory would draw the same numbers, unless
 * RNDRESEEDCRNG of <linux/random.h> makes it take one now. Kernels before 4.8 have no such key, and 4.17 was the first to have the call.
 */
function wake(clock: Clock): Sh {
  return sh`
    date --utc --set=${`@${(clock.now() / 1000).toFixed(3)}`} >/dev/null
    echo ${randomBytes(64).toString('base64')} | base64 -d >/dev/urandom
    reseed() {
      perl -e 'ioctl(STDIN, 0x5207, 0) or exit 1' || python3 -c 'import fcntl; fcntl.ioctl(0, 0x5207)' ||
        python -c 'import fcntl; fcntl.ioctl(0, 0x5207)'
    }
    if ! reseed </dev/urandom >/dev/null 2>&1; then
      case $(uname -r) in
        [23].* | 4.[0-7].*) ;;
        *) echo 'the random numbers of this machine cannot be told from those of others from the same memory' >&2; exit 1 ;;
      esac
    fi
  `;
}
