import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { digestFile, errorMessage, systemCode } from '../core/index.ts';
import type { FolderEntry } from '../plan/resolved.ts';
import type { Findings } from './findings.ts';

/** Each file is an action of its own; more than that is what archives are for. */
const MAX_FILES = 200;

/** Digests what is in the folders that `provision` names; a problem for each that cannot be sent. */
export async function resolveFolders(found: Findings): Promise<Readonly<Record<string, readonly FolderEntry[]>>> {
  const { merged, values } = found;
  const folders: [string, readonly FolderEntry[]][] = [];
  for (const [index, step] of (values.provision ?? []).entries()) {
    if (!('dir' in step)) continue;
    const path = resolve(merged.dirOf(['provision', String(index), 'dir']), step.dir);
    try {
      folders.push([step.dir, await readFolder(path)]);
    } catch (error) {
      const why = { ENOENT: 'does not exist', ENOTDIR: 'is not a folder' }[systemCode(error) ?? ''] ?? errorMessage(error);
      found.add(['provision', index, 'dir'], `${path} ${why}`);
    }
  }
  return Object.fromEntries(folders);
}

/** Every regular file below, by name; symbolic links are followed, since what they lead to may not be in the guest. */
async function readFolder(path: string): Promise<readonly FolderEntry[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
  if (files.length === 0) throw new Error('holds no file');
  if (files.length > MAX_FILES)
    throw new Error(`holds ${files.length} files; want at most ${MAX_FILES}: put them into an archive`);
  return Promise.all(
    files.sort().map(async (file): Promise<FolderEntry> => {
      const stats = await stat(file);
      const name = relative(path, file).split(sep).join('/');
      if (!stats.isFile()) throw new Error(`holds ${name}, which is no regular file`);
      return { name, isExecutable: (stats.mode & 0o111) !== 0, file: { path: file, sha256: await digestFile(file, 'sha256') } };
    }),
  );
}
