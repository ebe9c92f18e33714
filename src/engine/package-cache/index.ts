export { openPackageCache, PackageCache, type PackageCacheOptions, type PackageCacheUse, packagesDir } from './package-cache.ts';
export { describeStats, type PackageCacheStats } from './stats.ts';
