import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../core/index.ts';
import { ifThere } from '../../io/if-there.ts';
import { markUsed } from '../../io/use-mark.ts';
import { layersDir } from './layout.ts';
import { listFolder } from './read-file.ts';

/** How long it is remembered that a layer was removed to make room. */
const REMEMBERED_MS = 90 * 24 * 3_600_000;

/** Remembers that a layer was removed to make room, for whoever asks why it is not there: an empty file, its time of modification. */
export async function traceRemoval(cacheDir: string, key: string, clock: Clock): Promise<void> {
  await mkdir(tracesDir(cacheDir), { recursive: true, mode: 0o700 });
  const path = join(tracesDir(cacheDir), key);
  await (await open(path, 'w', 0o600)).close();
  await markUsed(path, clock);
}

/** When the layer was removed to make room, in milliseconds since the epoch; undefined when it was not, or long ago. */
export async function removedMs(cacheDir: string, key: string): Promise<number | undefined> {
  return (await ifThere(stat(join(tracesDir(cacheDir), key))))?.mtimeMs;
}

export async function forgetOldTraces(cacheDir: string, clock: Clock): Promise<void> {
  for (const key of await listFolder(tracesDir(cacheDir))) {
    const removed = await removedMs(cacheDir, key);
    if (removed !== undefined && removed < clock.now() - REMEMBERED_MS) await rm(join(tracesDir(cacheDir), key), { force: true });
  }
}

function tracesDir(cacheDir: string): string {
  return join(layersDir(cacheDir), '.pruned');
}
