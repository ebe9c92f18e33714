import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Context } from '../../core/index.ts';
import { ownPath } from '../../io/own-path.ts';
import { makeFolder } from '../folder.ts';
import { CACHE_HINT, layersDir, makeStore } from './layout.ts';

/** A folder that may become a layer. */
export interface Staging {
  readonly folder: string;
  /** Takes it out of scope and journal: it was published. */
  keep(): Promise<void>;
}

/** Makes the folder beside the layers, so that publishing it is a rename and relative names in it stay right. Removed with the context's scope. */
export async function makeStaging(context: Context): Promise<Staging> {
  await makeStore(context.dirs.cache);
  const folder = join(layersDir(context.dirs.cache), `.part-${context.buildId}-${randomBytes(4).toString('hex')}`);
  const forget = await ownPath('folder', folder, context);
  await makeFolder(folder, { mode: 0o700, hint: CACHE_HINT });
  let isOwned = true;
  return {
    folder,
    keep: async () => {
      if (isOwned) await forget();
      isOwned = false;
    },
  };
}
