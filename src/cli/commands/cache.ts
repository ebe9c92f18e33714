import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { formatBytes, systemCode } from '../../core/index.ts';
import type { Cli } from '../cli.ts';
import { cacheHome } from '../io.ts';
import { table } from '../table.ts';

/** Everything else in the cache folder belongs to builds that run now. */
const KEPT = ['bases', 'checksums', 'downloads'];

interface CacheEntry {
  /** Relative to the cache folder: `downloads/sha256-…`, `bases/…`. */
  readonly path: string;
  readonly bytes: number;
  /** ISO 8601, UTC. */
  readonly modified: string;
}

export function cacheCommand(cli: Cli): Command {
  const cache = new Command('cache').description('what is kept between builds');
  cache
    .command('ls', { isDefault: true })
    .description('list downloads and bases, the largest first')
    .option('--json', 'as JSON')
    .action(async (options: { readonly json?: boolean }) => {
      const dir = cacheHome(cli.io.env);
      const found = await Promise.all(KEPT.map((kept) => files(dir, kept)));
      const entries = found.flat().toSorted((a, b) => b.bytes - a.bytes);
      if (options.json === true) {
        cli.printJson({ dir, entries });
        return;
      }
      const total = entries.reduce((sum, entry) => sum + entry.bytes, 0);
      const rows = entries.map(({ path, bytes, modified }) => [formatBytes(bytes).padStart(10), modified.slice(0, 10), path]);
      cli.print(
        [dir, ...(rows.length === 0 ? [] : [table(rows)]), `${formatBytes(total)} in ${entries.length} files`].join('\n'),
      );
    });
  return cache;
}

async function files(root: string, dir: string): Promise<readonly CacheEntry[]> {
  const names = await readdir(join(root, dir), { withFileTypes: true }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  const found = await Promise.all(
    names.map(async (entry): Promise<readonly CacheEntry[]> => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return files(root, path);
      if (!entry.isFile()) return [];
      const { blocks, mtime } = await stat(join(root, path));
      // What it takes on the disk: raw bases are sparse.
      return [{ path, bytes: blocks * 512, modified: mtime.toISOString() }];
    }),
  );
  return found.flat();
}
