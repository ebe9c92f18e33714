import { type BuildPlan, type Context, isKibError, KibError, type Layer } from '../../core/index.ts';
import type { BuildRequest } from '../request.ts';
import { ifUnused } from './claims.ts';
import { layerDir } from './layout.ts';
import { cheapestStart } from './policy.ts';
import { readText } from './read-file.ts';
import type { LayerRecord } from './record.ts';
import { readRecord, recordPath } from './record-file.ts';
import { removeLayer } from './remove.ts';

/** Removes a layer, when there is one, so that it is made anew. Throws KIB_CACHE_CHANGED when another build uses it. */
export async function removeUnused({ name, key }: Layer, { dirs, signal, journal }: Context): Promise<void> {
  const record = await readText(recordPath(layerDir(dirs.cache, key)));
  if (record === undefined) return;
  const remove = async () => {
    await removeLayer(dirs.cache, key, record, journal);
  };
  if (await ifUnused(dirs.cache, key, signal, remove)) return;
  throw new KibError('KIB_CACHE_CHANGED', `the layer ${name} cannot be made anew: another build uses it now`, {
    hint: 'wait for it to end, or build with --cache off',
  });
}

/**
 * Removes the last layers when they hold no memory that can be loaded here and making them again, from a memory below, takes less time than
 * booting. They come back with their memory, where that is worth it. What another build uses stays.
 */
export async function removeSlowLayers(
  layers: readonly Layer[],
  { image }: BuildRequest,
  plan: BuildPlan,
  context: Context,
): Promise<void> {
  const records = await storedRecords(layers, context);
  const ability = image.driver.layers?.memory;
  if (ability === undefined || records.every(({ memory }) => memory === undefined)) return;
  const fingerprint = await ability.fingerprint(plan.machine, image.driverOptions, context);
  const offers = records.map(({ memory, ms, bootMs }) => ({ canResume: memory?.fingerprint === fingerprint, ms, bootMs }));
  const slow = layers.slice(cheapestStart(offers) + 1, records.length);
  try {
    for (const layer of slow.reverse()) await removeUnused(layer, context);
  } catch (error) {
    if (!isKibError(error) || error.code !== 'KIB_CACHE_CHANGED') throw error;
  }
}

/** Records of the layers from `boot` up, as far as there are any. */
async function storedRecords(layers: readonly Layer[], { dirs }: Context): Promise<readonly LayerRecord[]> {
  const records: LayerRecord[] = [];
  for (const { key } of layers) {
    const read = await readRecord(layerDir(dirs.cache, key), key);
    if (read?.record === undefined) break;
    records.push(read.record);
  }
  return records;
}
