import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { formatBytes, systemCode } from '../../core/index.ts';
import type { ListedLayer } from '../../engine/layers/list-layers.ts';
import { table } from '../table.ts';
import { layerTree } from './layer-tree.ts';

/** Everything else in the cache folder belongs to builds that run now, or is small. */
const KEPT = ['bases', 'checksums', 'downloads'];

export interface CacheEntry {
  /** Relative to the cache folder: `downloads/sha256-…`, `bases/…`, `vmware/…` for a machine, or `packages` for all of them. */
  readonly path: string;
  readonly bytes: number;
  /** ISO 8601, UTC. */
  readonly modified: string;
  /** For a folder that stands for all of its files: how many they are. */
  readonly files?: number;
}

/** Files that are kept between builds, layers apart, the largest first. */
export async function listEntries(dir: string): Promise<readonly CacheEntry[]> {
  const found = await Promise.all(KEPT.map((kept) => files(dir, kept)));
  const machines = await keptMachines(dir);
  return [...found.flat(), ...machines, ...asOne('packages', await files(dir, 'packages'))].toSorted((a, b) => b.bytes - a.bytes);
}

/** Each as one; beside them are claims, and folders of builds that run. */
async function keptMachines(dir: string): Promise<readonly CacheEntry[]> {
  const found = await files(dir, 'vmware');
  const folders = [...new Set(found.map(({ path }) => dirname(path)))].filter((path) => /^[0-9a-f]+$/.test(basename(path)));
  return folders.flatMap((folder) =>
    asOne(
      folder,
      found.filter(({ path }) => dirname(path) === folder),
    ),
  );
}

export function listText(dir: string, layers: readonly ListedLayer[], entries: readonly CacheEntry[], now: number): string {
  const rows = entries.map(({ path, bytes, modified, files }) => [
    formatBytes(bytes).padStart(10),
    modified.slice(0, 10),
    files === undefined ? path : `${path}, ${files} files`,
  ]);
  const count = entries.reduce((sum, { files = 1 }) => sum + files, 0);
  return [
    dir,
    ...(layers.length === 0 ? [] : ['', layerTree(layers, now), '']),
    ...(rows.length === 0 ? [] : [table(rows)]),
    `${formatBytes(total(layers))} in ${layers.length} layers, ${formatBytes(total(entries))} in ${count} files`,
  ].join('\n');
}

function total(items: readonly { readonly bytes: number }[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}

function asOne(path: string, found: readonly CacheEntry[]): readonly CacheEntry[] {
  const [newest] = found
    .map(({ modified }) => modified)
    .sort()
    .reverse();
  return newest === undefined ? [] : [{ path, bytes: total(found), modified: newest, files: found.length }];
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
