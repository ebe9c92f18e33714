import { type Context, type Credentials, isKibError, KibError, type RunningMachine } from '../core/index.ts';
import { waitForGuest } from './boot-wait.ts';
import type { Guest } from './guest.ts';
import type { LoginWay } from './login.ts';

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
  const { code, message, details } = error;
  const hint = 'the login was given as systemd credentials, without cloud-init; try the other way: --var driver.seed=nocloud';
  throw new KibError(code, message, { hint: error.hint === undefined ? hint : `${error.hint}; ${hint}`, cause: error, details });
}
