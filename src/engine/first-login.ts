import { type Context, type Credentials, isKibError, KibError, type RunningMachine } from '../core/index.ts';
import { waitForGuest } from './boot-wait.ts';
import type { Guest } from './guest.ts';
import { type LoginWay, OTHER_WAY } from './login.ts';

/** Waits until a build's login works in a booting guest, and cloud-init, where it brings the login, is as far as a build needs it. */
export async function waitForLogin(
  machine: RunningMachine,
  credentials: Credentials,
  way: LoginWay,
  context: Context,
): Promise<Guest> {
  if (way === 'nocloud') return waitForGuest(machine, credentials, context, { cloudInit: 'network' });
  return waitForGuest(machine, credentials, context, { cloudInit: 'none' }).catch(withOtherWay);
}

/** A base may look as if it took credentials, and yet not do it. */
function withOtherWay(error: unknown): never {
  if (!isKibError(error) || error.class !== 'guest') throw error;
  const { code, message, retryable, details, cause, suppressed, stack } = error;
  const hint = error.hint === undefined ? OTHER_WAY : `${error.hint}; ${OTHER_WAY}`;
  const told = new KibError(code, message, { hint, retryable, details, cause });
  told.suppressed.push(...suppressed);
  throw Object.assign(told, { stack });
}
