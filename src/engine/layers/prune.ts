import type { Clock } from '../../core/index.ts';
import { ifUnused } from './claims.ts';
import { layerDir } from './layout.ts';
import { type ListedLayer, listLayers } from './list-layers.ts';
import { nextVictim, orphans } from './prune-plan.ts';
import { readText } from './read-file.ts';
import { recordPath } from './record-file.ts';
import { removeLayer, sweepGone } from './remove.ts';
import { forgetOldTraces, traceRemoval } from './traces.ts';

export interface PruneOptions {
  readonly cacheDir: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Only say what would go. */
  readonly dryRun?: boolean;
}

export interface PruneReport {
  readonly removed: readonly PrunedLayer[];
  /** What the layers took before and take now. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface PrunedLayer {
  readonly key: string;
  /** Undefined when its record could not be read. */
  readonly name: string | undefined;
  readonly image: string | undefined;
  readonly bytes: number;
  /** `space`: to make room; `orphan`: what it stood on is gone. */
  readonly reason: 'space' | 'orphan';
}

/**
 * Removes layers until they take at most `maxBytes`, the least recently used first; a layer goes before what it stands on. Those that a living
 * build makes or needs stay, and so does what they stand on.
 */
export async function pruneLayers(options: PruneOptions): Promise<PruneReport> {
  const { cacheDir, maxBytes, signal, clock, dryRun = false } = options;
  if (!dryRun) await sweepGone(cacheDir, signal);
  let layers = await listLayers(cacheDir, signal);
  const bytesBefore = sum(layers);
  const removed: PrunedLayer[] = [];
  const remove = async (layer: ListedLayer, reason: PrunedLayer['reason']) => {
    signal.throwIfAborted();
    if (!dryRun && !(await removeUnused(layer, reason, options))) {
      layers = layers.map((other) => (other === layer ? { ...layer, isInUse: true } : other));
      return;
    }
    layers = layers.filter((other) => other !== layer);
    const { key, record, bytes } = layer;
    removed.push({ key, name: record?.name, image: record?.image, bytes, reason });
  };
  for (const layer of orphans(layers)) if (!layer.isInUse) await remove(layer, 'orphan');
  for (let victim = nextVictim(layers, maxBytes); victim !== undefined; victim = nextVictim(layers, maxBytes)) {
    await remove(victim, 'space');
  }
  if (!dryRun) await forgetOldTraces(cacheDir, clock);
  return { removed, bytesBefore, bytesAfter: sum(layers) };
}

async function removeUnused({ key }: ListedLayer, reason: PrunedLayer['reason'], options: PruneOptions): Promise<boolean> {
  const { cacheDir, signal, clock } = options;
  return ifUnused(cacheDir, key, signal, async () => {
    await removeLayer(cacheDir, key, await readText(recordPath(layerDir(cacheDir, key))));
    if (reason === 'space') await traceRemoval(cacheDir, key, clock);
  });
}

function sum(layers: readonly ListedLayer[]): number {
  return layers.reduce((total, { bytes }) => total + bytes, 0);
}
