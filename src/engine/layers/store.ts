import { basename } from 'node:path';
import type { Context } from '../../core/index.ts';
import { pin } from './claims.ts';
import { type Judged, judgeChain } from './judge.ts';
import { layerDir } from './layout.ts';
import { problemText } from './problem.ts';
import { isFolder } from './read-file.ts';
import type { LayerRecord } from './record.ts';
import { removeLayer } from './remove.ts';

export { layersDir } from './layout.ts';

/** A layer in the cache, found usable. */
export interface StoredLayer {
  readonly record: LayerRecord;
  readonly dir: string;
}

const HINT = 'it was removed and is made again when it is needed; kib-native cache verify looks at the others';

/**
 * The whole, usable layer with that key, its ancestors and base included, or undefined. It is pinned: see `pinLayer`. What is damaged is warned
 * about and removed, and so is every layer met on the way that stands on it.
 */
export async function findLayer(key: string, context: Context): Promise<StoredLayer | undefined> {
  const { cache } = context.dirs;
  if (!(await isFolder(layerDir(cache, key)))) return undefined;
  await pin(key, context);
  const { span, signal } = context;
  const onRead = (path: string, layer: string) => span.note(`checking ${basename(path)} of the cached layer ${layer}`);
  const chain = await judgeChain(key, { cacheDir: cache, signal, onRead });
  // The cause is told before what follows from it.
  for (const judged of [...chain].reverse()) await removeUnusable(judged, context);
  const [top] = chain;
  return top?.record === undefined || top.problem !== undefined ? undefined : { record: top.record, dir: top.dir };
}

/** The deepest usable one of the layers with these keys, which go from `boot` up; undefined when there is none. */
export async function deepestLayer(
  keys: readonly string[],
  context: Context,
): Promise<{ readonly index: number; readonly layer: StoredLayer } | undefined> {
  for (const [index, key] of [...keys.entries()].reverse()) {
    const layer = await findLayer(key, context);
    if (layer !== undefined) return { index, layer };
  }
  return undefined;
}

async function removeUnusable({ key, text, record, problem }: Judged, context: Context): Promise<void> {
  if (problem === undefined) return;
  const name = record === undefined ? key.slice(0, 12) : `${record.name} (${key.slice(0, 12)})`;
  context.span.warn('KIB_DIGEST_MISMATCH', `the cached layer ${name} cannot be used: ${problemText(problem)}`, HINT);
  await removeLayer(context.dirs.cache, key, text, context.journal);
}
