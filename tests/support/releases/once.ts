import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SHARED_CACHE } from '../boot-base.ts';

/** A file that takes minutes to make, made once and then kept in the user's cache. `make` gets a scratch folder and leaves the file there, under its name. */
export async function madeOnce(name: string, make: (work: string) => Promise<void>): Promise<Buffer> {
  const folder = join(SHARED_CACHE, 'test-releases');
  const kept = join(folder, name);
  if (existsSync(kept)) return readFileSync(kept);
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(`${kept}.`);
  try {
    await make(work);
    renameSync(join(work, name), kept);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return readFileSync(kept);
}
