import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Context } from '../core/index.ts';
import { ifThere } from './if-there.ts';
import { ownPath } from './own-path.ts';

/**
 * Says that what lies in `folder` stands on what is at `path`, for as long as that folder is there: also when this process is gone and left it to
 * the user. Any number of folders may. The caller holds the lock on `path` (see `withFileLock`), so that nobody removes it meanwhile.
 */
export async function claimUse(path: string, folder: string, owners: Pick<Context, 'scope' | 'journal'>): Promise<void> {
  const claim = `${usePrefix(path)}${randomBytes(4).toString('hex')}`;
  await ownPath('file', claim, owners);
  await writeFile(claim, folder, { mode: 0o600 });
}

/** Whether any folder that is still there stands on what is at `path`. */
export async function isUsed(path: string): Promise<boolean> {
  const dir = dirname(path);
  const claims = (await readdir(dir)).filter((name) => name.startsWith(basename(usePrefix(path))));
  const users = await Promise.all(claims.map((name) => ifThere(readFile(join(dir, name), 'utf8'))));
  const folders = await Promise.all(users.map((user) => ifThere(stat(user ?? ''))));
  return folders.some((folder) => folder !== undefined);
}

function usePrefix(path: string): string {
  return `${path}.use-`;
}
