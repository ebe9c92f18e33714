import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type Context, systemCode } from '../../core/index.ts';
import { markUsed } from '../../io/use-mark.ts';
import { pin } from './claims.ts';
import { layerDir, USED } from './layout.ts';
import { readPlace } from './record-file.ts';
import type { StoredLayer } from './store.ts';

/**
 * Keeps a layer and, since they carry it, its ancestors from being removed to save space until the build ends or its process is dead, and marks
 * them as used now. Layers that findLayer returned or publishLayer made are kept already.
 */
export async function pinLayer(layer: StoredLayer, context: Context): Promise<void> {
  await pin(layer.record.key, context);
  await markLayer(layer.dir, context.clock);
  for (let parent = layer.record.parent?.key; parent !== undefined; ) {
    const dir = layerDir(context.dirs.cache, parent);
    await markLayer(dir, context.clock);
    parent = (await readPlace(dir)).parent?.key;
  }
}

async function markLayer(dir: string, clock: Clock): Promise<void> {
  const path = join(dir, USED);
  try {
    await (await open(path, 'a', 0o600)).close();
    await markUsed(path, clock);
  } catch (error) {
    // Removed meanwhile, as damaged.
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
