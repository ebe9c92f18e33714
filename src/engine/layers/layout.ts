import { join } from 'node:path';
import { makeFolder } from '../folder.ts';

/** What to do about a store that cannot be written to. */
export const CACHE_HINT = 'set XDG_CACHE_HOME to a folder you may write to';

/** `<cacheDir>/layers`: one folder per layer, named by its key; what begins with a dot is no layer. */
export function layersDir(cacheDir: string): string {
  return join(cacheDir, 'layers');
}

export function layerDir(cacheDir: string, key: string): string {
  return join(layersDir(cacheDir), key);
}

/** Where processes say which layers they make, use or remove. */
export function claimsDir(cacheDir: string): string {
  return join(layersDir(cacheDir), '.claims');
}

/** Prefix of the names that removed layers have until their files are gone. */
export const GONE = '.gone-';

/** File in a layer's folder whose modification time is when it was last used. */
export const USED = 'used';

/** Makes the store's folders. Layers hold the login of their guest, so nobody else may look. Throws KIB_DISK_FULL, KIB_HOST_PERMISSION. */
export async function makeStore(cacheDir: string): Promise<void> {
  for (const path of [layersDir(cacheDir), claimsDir(cacheDir)])
    await makeFolder(path, { recursive: true, mode: 0o700, hint: CACHE_HINT });
}
