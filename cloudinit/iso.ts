import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SeedFiles } from '../src/core/index.ts';
import { run } from '../src/io/process.ts';

// One fixed moment for everything in the ISO, so that the same seed gives the same bytes.
const EPOCH = { seconds: '1577836800', iso: '2020010100000000' };

/**
 * Writes a NoCloud seed as an ISO 9660 image with the label `cidata` (Rock Ridge and Joliet), readable by its owner alone, since it holds
 * a host key. Same files, same bytes. `path` and, meanwhile, the folder `<path>.files` are the caller's to journal; the folder is gone
 * again when this returns or throws. Needs xorriso.
 */
export async function writeSeedIso(files: SeedFiles, path: string, signal: AbortSignal): Promise<void> {
  const folder = `${path}.files`;
  try {
    await mkdir(folder, { mode: 0o700 });
    for (const [name, text] of Object.entries(files) as [string, string][]) {
      await writeFile(join(folder, name), text, { mode: 0o600 });
    }
    // Made beforehand, since xorriso would make it as the umask says.
    await (await open(path, 'w', 0o600)).close();
    await run('xorriso', seedIsoArgs(folder, path), { signal, env: { SOURCE_DATE_EPOCH: EPOCH.seconds, TZ: 'UTC' } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Arguments for xorriso(1), which acts as mkisofs here. */
export function seedIsoArgs(folder: string, path: string): string[] {
  return [
    ['-as', 'mkisofs', '-quiet', '-o', path, '-V', 'cidata', '-J', '-r'],
    [`--modification-date=${EPOCH.iso}`, '--set_all_file_dates', EPOCH.iso],
    [folder],
  ].flat();
}
