export { openPackageCache, PackageCache, packagesDir } from './package-cache.ts';
