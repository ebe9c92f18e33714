import { randomUUID } from 'node:crypto';
import { chmod, open, rename } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type Context, sha256, systemCode } from '../../core/index.ts';
import { fileStamp } from '../../io/file-stamp.ts';
import { hashFile } from '../../io/hash.ts';
import { diskError } from '../../io/http-error.ts';
import { pin } from './claims.ts';
import { layerDir } from './layout.ts';
import type { LayerRecord } from './record.ts';
import { readRecord, recordPath, recordText } from './record-file.ts';
import type { Staging } from './staging.ts';
import { writeStamps } from './stamps.ts';
import { findLayer, type StoredLayer } from './store.ts';
import { writeWhole } from './write-file.ts';

/** What the maker of a layer knows of it; `files` are the names of what belongs to it in its folder. */
export type LayerDraft = Omit<LayerRecord, 'v' | 'files' | 'id' | 'createdMs'> & { readonly files: readonly string[] };

/** How often somebody else may put a layer in the same place before we leave it to them. */
const ATTEMPTS = 3;

/**
 * Turns a staging folder into the layer with the draft's key, in one step, whole and on disk, or not at all; it is pinned then. Returns undefined, and
 * leaves the folder to its owner, when the parent is gone or was made anew, or when a whole layer with that key is there already. A damaged one is
 * replaced. Nobody may write to the files any more. Throws KIB_DISK_FULL, KIB_HOST_PERMISSION.
 */
export async function publishLayer(staging: Staging, draft: LayerDraft, context: Context): Promise<StoredLayer | undefined> {
  try {
    return await publish(staging, draft, context);
  } catch (error) {
    throw diskError(error, staging.folder);
  }
}

async function publish(staging: Staging, draft: LayerDraft, context: Context): Promise<StoredLayer | undefined> {
  const { cache } = context.dirs;
  const { folder } = staging;
  if (!(await hasParent(draft, cache))) return undefined;
  const files = await Promise.all(draft.files.map((name) => sealFile(folder, name, context.signal)));
  const record: LayerRecord = {
    ...draft,
    v: 1,
    id: randomUUID(),
    createdMs: context.clock.now(),
    files: files.map(({ name, bytes, sha256: hex }) => ({ name, bytes, sha256: hex })),
  };
  const text = recordText(record);
  await writeWhole(recordPath(folder), text, 0o400);
  await writeStamps(folder, {
    record: sha256(text),
    files: Object.fromEntries(files.map(({ name, stamp }) => [name, stamp])),
    ...(await baseStamp(folder, record)),
  });
  await pin(draft.key, context);
  if (!(await moveIntoPlace(folder, draft, context))) return undefined;
  await staging.keep();
  return { record, dir: layerDir(cache, draft.key) };
}

async function moveIntoPlace(folder: string, { key, parent }: LayerDraft, context: Context): Promise<boolean> {
  const { cache } = context.dirs;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (!(await hasParent({ parent }, cache))) return false;
    // Removes what is there when that is not whole.
    if ((await findLayer(key, context)) !== undefined) return false;
    try {
      await rename(folder, layerDir(cache, key));
      return true;
    } catch (error) {
      // Somebody else was faster.
      if (systemCode(error) !== 'ENOTEMPTY' && systemCode(error) !== 'EEXIST') throw error;
    }
  }
  return false;
}

async function hasParent({ parent }: Pick<LayerDraft, 'parent'>, cache: string): Promise<boolean> {
  if (parent === undefined) return true;
  const read = await readRecord(layerDir(cache, parent.key), parent.key);
  return read?.record?.id === parent.id;
}

/** Makes a file read-only, and its bytes survive a power cut while they are hashed. */
async function sealFile(folder: string, name: string, signal: AbortSignal) {
  const path = join(folder, name);
  await chmod(path, 0o400);
  const stamp = (await fileStamp(path)) ?? '';
  const file = await open(path, 'r');
  try {
    const [{ bytes, digests }] = await Promise.all([hashFile(path, 'sha256', { signal }), file.datasync()]);
    return { name, bytes, sha256: digests.sha256, stamp };
  } finally {
    await file.close();
  }
}

/** A base in the cache was checked by this build and is never changed; one outside may be, so it is read before it is trusted. */
async function baseStamp(folder: string, { parent, base }: LayerRecord): Promise<{ readonly base?: string }> {
  if (parent !== undefined || isAbsolute(base.backing)) return {};
  const stamp = await fileStamp(join(folder, base.backing));
  return stamp === undefined ? {} : { base: stamp };
}
