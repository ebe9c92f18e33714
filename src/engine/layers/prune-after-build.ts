import { type Context, errorMessage, GiB } from '../../core/index.ts';
import type { BuildRequest } from '../request.ts';
import { pruneLayers } from './prune.ts';

/** Room for some images' layers with the memory of each. */
export const DEFAULT_CACHE_BYTES = 40 * GiB;

/** Lets the layers go that were not used for longest, down to the size wished for. The image is there already, so a failure is only told. */
export async function pruneAfterBuild({ cache, cacheBytes }: BuildRequest, context: Context): Promise<void> {
  if (cache === 'off') return;
  try {
    const { signal, clock, dirs } = context;
    await pruneLayers({ cacheDir: dirs.cache, maxBytes: cacheBytes ?? DEFAULT_CACHE_BYTES, signal, clock });
  } catch (error) {
    context.span.warn('KIB_CACHE_CHANGED', `old layers could not be removed: ${errorMessage(error)}`, 'kib-native cache prune');
  }
}
