import { open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Context, cancelled, errorMessage, isKibError, KibError, systemCode, throwIfAborted } from '../core/index.ts';
import { withTemporaryFile } from '../io/temporary-file.ts';

/**
 * Lets `write` make a file under a temporary name beside `path`, then syncs it and renames it there. When anything fails the temporary
 * file is gone; a file that stood at `path` before stays whole. Scope and journal know the temporary file before it exists.
 * Throws KIB_EXPORT, KIB_DISK_FULL, KIB_HOST_PERMISSION or the signal's reason.
 */
export async function writeWhole<T>(path: string, context: Context, write: (partPath: string) => Promise<T>): Promise<T> {
  const part = join(dirname(path), `.${basename(path)}.part-${context.buildId}`);
  try {
    return await withTemporaryFile(part, context, async () => {
      const result = await write(part);
      await sync(part);
      throwIfAborted(context.signal);
      await rename(part, path);
      await sync(dirname(path));
      return result;
    });
  } catch (error) {
    throw exportError(path, error, context.signal);
  }
}

function exportError(path: string, error: unknown, signal: AbortSignal): KibError {
  if (signal.aborted) return cancelled(signal.reason);
  if (isKibError(error)) return error;
  const options = { cause: error, details: { path } };
  switch (systemCode(error) ?? '') {
    case 'ENOSPC':
    case 'EDQUOT':
      return new KibError('KIB_DISK_FULL', `no space left while writing ${path}`, {
        ...options,
        hint: 'free some space, or choose another folder with --output-dir',
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new KibError('KIB_HOST_PERMISSION', `may not write ${path}: ${errorMessage(error)}`, {
        ...options,
        hint: 'choose another folder with --output-dir',
      });
    default:
      return new KibError('KIB_EXPORT', `could not write ${path}: ${errorMessage(error)}`, {
        ...options,
        hint: `look at the file system below ${dirname(path)} (df -h, dmesg), then build again`,
      });
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
