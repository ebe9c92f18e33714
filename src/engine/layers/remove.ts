import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Journal, systemCode } from '../../core/index.ts';
import { claimName, isClaimAlive } from '../../io/claim.ts';
import { GONE, layerDir, layersDir } from './layout.ts';
import { listFolder, readText } from './read-file.ts';
import { recordPath } from './record-file.ts';

/**
 * Removes a layer's folder: it is gone at once for everybody, its files a little later. `judged` is the text of the record that was judged; another
 * layer that came to stand there meanwhile is left alone. Returns whether it was removed.
 */
export async function removeLayer(
  cacheDir: string,
  key: string,
  judged: string | undefined,
  journal?: Journal,
): Promise<boolean> {
  const dir = layerDir(cacheDir, key);
  const gone = join(layersDir(cacheDir), `${GONE}${await claimName(new AbortController().signal)}`);
  const removed = await journal?.acquire({ kind: 'path', id: gone });
  const isMoved = await move(dir, gone);
  const isIt = isMoved && (await readText(recordPath(gone))) === judged;
  if (isMoved && !isIt) await move(gone, dir);
  await rm(gone, { recursive: true, force: true });
  await removed?.();
  return isIt;
}

/** Finishes removals that a killed process began. */
export async function sweepGone(cacheDir: string, signal: AbortSignal): Promise<void> {
  const dir = layersDir(cacheDir);
  for (const name of await listFolder(dir)) {
    if (!name.startsWith(GONE) || (await isClaimAlive(name.slice(GONE.length), signal))) continue;
    await rm(join(dir, name), { recursive: true, force: true });
  }
}

/** False when there is nothing to move, or something else came to stand there. */
async function move(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}
