import { randomUUID } from 'node:crypto';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../core/index.ts';

/** A folder that exists for the time of `work`; also gone when the process is killed meanwhile and `gc` runs. */
export async function withScratchDir<T>(
  parent: string,
  mode: number,
  context: Pick<Context, 'journal'>,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(parent, `kib-native-${randomUUID()}`);
  const removed = await context.journal.acquire({ kind: 'path', id: path });
  try {
    await mkdir(path, { recursive: true });
    await chmod(path, mode);
    return await work(path);
  } finally {
    await rm(path, { recursive: true, force: true });
    await removed();
  }
}
