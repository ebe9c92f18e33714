import { type BaseImage, type BuildPlan, type Context, KibError, type RemoteBase } from '../core/index.ts';
import type { ResolvedImage } from '../plan/resolved.ts';
import { fetchBase } from './base/index.ts';

/** The base of a plan, brought to this host, or found where the hypervisor has it. */
export async function findBase(
  { driver, driverOptions }: Pick<ResolvedImage, 'driver' | 'driverOptions'>,
  { base: source, machine }: Pick<BuildPlan, 'base' | 'machine'>,
  context: Context,
): Promise<BaseImage | RemoteBase> {
  if (source.kind !== 'ami' && source.kind !== 'template') return fetchBase(source, machine.arch, context);
  const { images } = driver;
  if (images === undefined) {
    throw new KibError('KIB_BASE_REMOTE', `driver ${driver.name} cannot start from a base of kind ${source.kind}`, {
      hint: 'choose another base, or the driver of the hypervisor that has this one',
    });
  }
  return context.span.run('fetch', 'find the base', async (span) => {
    const base = await images.findBase(source, machine, driverOptions, { ...context, span });
    span.note(base.id);
    return base;
  });
}
