import { readdir, readFile, stat } from 'node:fs/promises';
import { errorMessage, KibError, systemCode } from '../../core/index.ts';

/** The text of a file; undefined when there is none. Throws KIB_HOST_PERMISSION. */
export async function readText(path: string): Promise<string | undefined> {
  return orMissing(path, () => readFile(path, 'utf8'));
}

/** Its length in bytes; undefined when there is no such file. Throws KIB_HOST_PERMISSION. */
export async function fileSize(path: string): Promise<number | undefined> {
  const found = await orMissing(path, () => stat(path));
  return found?.isFile() === true ? found.size : undefined;
}

export async function isFolder(path: string): Promise<boolean> {
  return (await orMissing(path, () => stat(path)))?.isDirectory() === true;
}

/** Names in a folder; none when there is no such folder. Throws KIB_HOST_PERMISSION. */
export async function listFolder(path: string): Promise<readonly string[]> {
  return (await orMissing(path, () => readdir(path))) ?? [];
}

/** What `read` gives, or undefined when the file is not there. Throws KIB_HOST_PERMISSION. */
async function orMissing<T>(path: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    throw new KibError('KIB_HOST_PERMISSION', `cannot read ${path}: ${errorMessage(error)}`, {
      hint: 'builds share a cache only when the same user runs them; set XDG_CACHE_HOME to a folder of your own',
      cause: error,
    });
  }
}
