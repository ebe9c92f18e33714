import { basePath } from './check-layer.ts';
import { layerDir } from './layout.ts';
import { listLayers } from './list-layers.ts';

/** Paths of the bases that layers stand on, but those with the keys `without`. */
export async function basesInUse(cacheDir: string, without: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  const layers = await listLayers(cacheDir, signal);
  return layers.flatMap(({ key, record }) =>
    record === undefined || without.includes(key) ? [] : [basePath(layerDir(cacheDir, key), record)],
  );
}
