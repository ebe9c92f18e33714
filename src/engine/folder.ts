import { mkdir, stat } from 'node:fs/promises';
import { errorMessage, KibError, systemCode } from '../core/index.ts';

export interface FolderOptions {
  /** Make missing parents too, and mind not when it is there already. */
  readonly recursive?: boolean;
  readonly mode?: number;
  /** What to do when it cannot be made. */
  readonly hint: string;
}

/** Makes a folder. Throws KIB_DISK_FULL or KIB_HOST_PERMISSION, which the owner of this host can do something about. */
export async function makeFolder(path: string, { hint, ...options }: FolderOptions): Promise<void> {
  try {
    await mkdir(path, options);
  } catch (error) {
    throw folderError(path, hint, error);
  }
}

/** The error of a folder that cannot be made or written to. */
export function folderError(path: string, hint: string, error: unknown): KibError {
  const isFull = systemCode(error) === 'ENOSPC' || systemCode(error) === 'EDQUOT';
  const message = `cannot make the folder ${path}: ${errorMessage(error)}`;
  return new KibError(isFull ? 'KIB_DISK_FULL' : 'KIB_HOST_PERMISSION', message, { hint, cause: error });
}

/** Whether anything is at the path. Throws the file system's error when that cannot be told. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}
