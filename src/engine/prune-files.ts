import { readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Clock } from '../core/index.ts';
import { ifUnlocked, isFileLocked } from '../io/file-lock.ts';
import { ifThere } from '../io/if-there.ts';
import { basesInUse } from './layers/bases-in-use.ts';

export interface PruneFilesOptions {
  readonly cacheDir: string;
  /** Only what was not used for so long, in milliseconds. */
  readonly olderThanMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Only say what would go. */
  readonly dryRun?: boolean;
  /** Keys of layers that are as good as removed, so that nothing is kept for them. */
  readonly withoutLayers?: readonly string[];
}

export interface PrunedFile {
  /** Relative to the cache folder: `downloads/sha256-…`, `bases/…`, `vmware/…`. */
  readonly path: string;
  readonly bytes: number;
}

/** A download, a base, a package or a kept machine with everything that belongs to it. */
interface Item {
  readonly path: string;
  /** Relative names of its files or its folder. */
  readonly members: readonly string[];
}

/**
 * Removes downloads, also unfinished ones, bases, packages and kept machines that were not used for long. What builds used that may still run stays, and
 * so do bases that layers stand on, and machines that have clones.
 */
export async function pruneFiles(options: PruneFilesOptions): Promise<readonly PrunedFile[]> {
  const { cacheDir, signal, dryRun = false, withoutLayers = [] } = options;
  const needed = await basesInUse(cacheDir, withoutLayers, signal);
  const items = [
    ...(await downloads(cacheDir)),
    ...(await entries(cacheDir, 'bases')),
    ...(await entries(cacheDir, 'packages/files')),
    ...(await entries(cacheDir, 'packages/urls')),
    ...(await entries(cacheDir, 'vmware')),
  ];
  const removed: PrunedFile[] = [];
  for (const item of items) {
    signal.throwIfAborted();
    if (needed.some((path) => !relative(join(cacheDir, item.path), path).startsWith('..'))) continue;
    const files = (await Promise.all(item.members.map((member) => filesBelow(join(cacheDir, member))))).flat();
    // Asked anew for each: a build may have begun meanwhile.
    if (Math.max(...files.map(({ modifiedMs }) => modifiedMs)) >= (await keepSince(options))) continue;
    const path = join(cacheDir, item.path);
    const remove = async () => {
      for (const member of item.members) await rm(join(cacheDir, member), { recursive: true, force: true });
    };
    const isFree = dryRun ? !(await isFileLocked(path, signal)) : await ifUnlocked(path, signal, remove);
    if (!isFree) continue;
    removed.push({ path: item.path, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) });
  }
  return removed;
}

/** What was used at that time or later stays. */
async function keepSince({ cacheDir, olderThanMs, clock }: PruneFilesOptions): Promise<number> {
  return Math.min(clock.now() - olderThanMs, await buildsSince(cacheDir));
}

/** When the oldest build began that may still run: those that were killed leave their folder until gc. As build ids say, see `newBuildId`. */
async function buildsSince(cacheDir: string): Promise<number> {
  const starts = (await names(join(cacheDir, 'work'))).map((id) => {
    const time = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/.exec(id)?.slice(1).map(Number);
    const [year = 0, month = 1, ...rest] = time ?? [];
    return time === undefined ? 0 : Date.UTC(year, month - 1, ...rest);
  });
  return Math.min(Number.POSITIVE_INFINITY, ...starts);
}

/** Each with its record and what is left of an unfinished try. */
async function downloads(cacheDir: string): Promise<readonly Item[]> {
  const groups = new Map<string, string[]>();
  for (const name of await names(join(cacheDir, 'downloads'))) {
    const [stem] = /^sha\d+-[0-9a-f]+/.exec(name) ?? [];
    if (stem === undefined || name.includes('.lock-')) continue;
    groups.set(stem, [...(groups.get(stem) ?? []), join('downloads', name)]);
  }
  return [...groups].map(([stem, members]) => ({ path: join('downloads', stem), members }));
}

/** What a folder holds; locks, and folders of builds that run, are of other names. */
async function entries(cacheDir: string, folder: string): Promise<readonly Item[]> {
  const found = await names(join(cacheDir, folder));
  return found
    .filter((name) => /^[0-9a-f]+(\.json)?$/.test(name))
    .map((name) => ({ path: join(folder, name), members: [join(folder, name)] }));
}

async function filesBelow(path: string): Promise<readonly { readonly bytes: number; readonly modifiedMs: number }[]> {
  const found = await ifThere(stat(path));
  if (found === undefined) return [];
  if (!found.isDirectory()) return [{ bytes: found.blocks * 512, modifiedMs: found.mtimeMs }];
  return (await Promise.all((await names(path)).map((name) => filesBelow(join(path, name))))).flat();
}

async function names(path: string): Promise<readonly string[]> {
  return (await ifThere(readdir(path))) ?? [];
}
