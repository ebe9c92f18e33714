import type { BaseImage, Context, MachineSpec, RemoteBase } from '../core/index.ts';
import type { ResolvedImage } from '../plan/resolved.ts';
import { readBaseFiles } from './base/base-files.ts';
import type { LoginWay } from './login.ts';

/**
 * How a build's login gets into the base: as system credentials where the driver can give them and the base's files show that it takes them, which
 * spares the guest cloud-init; else as a NoCloud seed, which every cloud image takes.
 */
export async function chooseLogin(
  { driver, driverOptions }: Pick<ResolvedImage, 'driver' | 'driverOptions'>,
  machine: MachineSpec,
  base: BaseImage | RemoteBase,
  context: Context,
): Promise<LoginWay> {
  if (!('path' in base) || driver.takesCredentials?.(machine, driverOptions) !== true) return 'nocloud';
  const { lacked } = await readBaseFiles(base, context);
  if (lacked === undefined) return 'credentials';
  context.span.log('host', `the login is given as a NoCloud seed: the base lacks ${lacked}`);
  return 'nocloud';
}
