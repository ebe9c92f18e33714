import { formatBytes } from '../../core/index.ts';

/** What a package cache did so far. `hits` and `misses` count packages and repository indexes that the guest asked for. */
export interface PackageCacheStats {
  /** Not downloaded for this guest: from the store, confirmed by the server or not, or by another build. */
  readonly hits: number;
  readonly misses: number;
  readonly bytesFromCache: number;
  readonly bytesFetched: number;
}

/** `12 of 80 files from the package cache, 31.0 MiB of 97.2 MiB`, of what happened since `before`. */
export function describeStats(stats: PackageCacheStats, before: PackageCacheStats): string {
  const hits = stats.hits - before.hits;
  const files = hits + stats.misses - before.misses;
  const cached = stats.bytesFromCache - before.bytesFromCache;
  const bytes = cached + stats.bytesFetched - before.bytesFetched;
  return `${hits} of ${files} files from the package cache, ${formatBytes(cached)} of ${formatBytes(bytes)}`;
}
