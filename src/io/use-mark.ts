import { utimes } from 'node:fs/promises';
import { type Clock, systemCode } from '../core/index.ts';

/** Sets the modification time of a file, which is when something was last used; does nothing when there is none. */
export async function markUsed(path: string, clock: Clock): Promise<void> {
  const seconds = clock.now() / 1000;
  try {
    await utimes(path, seconds, seconds);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
