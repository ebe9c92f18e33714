import { mkdir, rm } from 'node:fs/promises';
import type { Context } from '../core/index.ts';

/**
 * Makes journal and scope responsible for removing a file or folder; call it before that exists. Returns how to let them forget it, when it
 * stays after all.
 */
export async function ownPath(
  what: 'file' | 'folder',
  path: string,
  { scope, journal }: Pick<Context, 'scope' | 'journal'>,
): Promise<() => Promise<void>> {
  const removed = await journal.acquire({ kind: 'path', id: path });
  const takeBack = scope.defer(`${what} ${path}`, async () => {
    await rm(path, { recursive: true, force: true });
    await removed();
  });
  return async () => {
    takeBack();
    await removed();
  };
}

/** Makes a folder for this user alone, which journal and scope know before it exists. Returns its path. */
export async function makeOwnFolder(path: string, owners: Pick<Context, 'scope' | 'journal'>): Promise<string> {
  await ownPath('folder', path, owners);
  await mkdir(path, { mode: 0o700 });
  return path;
}
