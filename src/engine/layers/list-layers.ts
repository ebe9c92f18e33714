import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../core/index.ts';
import { keysInUse } from './claims.ts';
import { layerDir, layersDir, USED } from './layout.ts';
import { listFolder } from './read-file.ts';
import type { LayerRecord } from './record.ts';
import { readPlace, readRecord } from './record-file.ts';

/** A layer as it lies in the cache, usable or not. */
export interface ListedLayer {
  readonly key: string;
  /** Undefined when its record cannot be read. */
  readonly record: LayerRecord | undefined;
  /** What the record says of its place, whatever its version. */
  readonly id: string | undefined;
  readonly parent: { readonly key: string; readonly id?: string | undefined } | undefined;
  /** What it takes on the disk. */
  readonly bytes: number;
  /** When it was last used, else made: milliseconds since the epoch. */
  readonly usedMs: number;
  /** Whether a living process makes it, or needs it or one above it. */
  readonly isInUse: boolean;
}

/** Everything in the store, by key. Reads no layer's files but its record. */
export async function listLayers(cacheDir: string, signal: AbortSignal): Promise<readonly ListedLayer[]> {
  const keys = (await listFolder(layersDir(cacheDir))).filter((name) => !name.startsWith('.')).sort();
  const used = await keysInUse(cacheDir, signal);
  const found: ListedLayer[] = [];
  for (const key of keys) {
    signal.throwIfAborted();
    const dir = layerDir(cacheDir, key);
    const read = await readRecord(dir, key);
    // Removed meanwhile.
    if (read === undefined) continue;
    const place = await readPlace(dir);
    found.push({
      key,
      record: read.record,
      id: place.id,
      parent: place.parent,
      bytes: await diskBytes(dir),
      usedMs: Math.max((await modifiedMs(join(dir, USED))) ?? 0, place.createdMs ?? 0),
      isInUse: used.has(key),
    });
  }
  return markBelow(found);
}

/** What is in use keeps what it stands on in use. */
function markBelow(layers: readonly ListedLayer[]): readonly ListedLayer[] {
  const byKey = new Map(layers.map((layer) => [layer.key, layer]));
  const used = new Set<string>();
  for (const { key } of layers.filter(({ isInUse }) => isInUse)) {
    for (let at = byKey.get(key); at !== undefined && !used.has(at.key); at = byKey.get(at.parent?.key ?? '')) used.add(at.key);
  }
  return layers.map((layer) => ({ ...layer, isInUse: used.has(layer.key) }));
}

/** Blocks of the files in a folder, in bytes: disks are sparse. */
async function diskBytes(dir: string): Promise<number> {
  let bytes = 0;
  for (const name of await listFolder(dir)) bytes += ((await statOf(join(dir, name)))?.blocks ?? 0) * 512;
  return bytes;
}

async function modifiedMs(path: string): Promise<number | undefined> {
  return (await statOf(path))?.mtimeMs;
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
