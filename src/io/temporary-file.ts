import { rm } from 'node:fs/promises';
import type { Context } from '../core/index.ts';

/** Lets `work` make a file that scope and journal know before it exists, and removes it afterwards if it is still there. */
export async function withTemporaryFile<T>(path: string, context: Context, work: (path: string) => Promise<T>): Promise<T> {
  const removed = await context.journal.acquire({ kind: 'path', id: path });
  const remove = async (): Promise<void> => {
    await rm(path, { force: true });
    await removed();
  };
  const takeBack = context.scope.defer(`file ${path}`, remove);
  try {
    return await work(path);
  } finally {
    // What cannot be removed now is the scope's to try again and to report.
    await remove().then(takeBack, () => {});
  }
}
