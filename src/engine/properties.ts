import type { BuildPlan } from '../core/index.ts';
import { packageVersion } from '../io/package-info.ts';
import type { GuestPackage } from './guest-packages.ts';

/** Properties whose value only the guest knows when a package brings the program, by the packages that may. */
const FROM_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  CONTAINERD_VERSION: ['containerd', 'containerd.io'],
  CNI_VERSION: ['kubernetes-cni', 'containernetworking-plugins'],
};

/**
 * What OVF ProductSection and manifest say of the image: the plan's properties, the versions found in the guest, and when and by what
 * it was built. Names as image-builder writes them, so that tools that read those images read ours.
 */
export function imageProperties(
  plan: Pick<BuildPlan, 'properties'>,
  packages: readonly GuestPackage[],
  now: number,
): Readonly<Record<string, string>> {
  const found = Object.entries(FROM_PACKAGES).flatMap(([property, names]) => {
    const installed = packages.find(({ name }) => names.includes(name));
    return installed === undefined ? [] : [[property, upstreamVersion(installed.version)] as const];
  });
  return {
    ...Object.fromEntries(found),
    ...plan.properties,
    BUILD_TIMESTAMP: String(Math.floor(now / 1000)),
    BUILD_DATE: new Date(now).toISOString(),
    IMAGE_BUILDER_VERSION: `kib-native ${packageVersion()}`,
  };
}

/** `1.7.24` of `1:1.7.24~ds1-6+deb13u1` (deb-version(7); rpm is alike). */
export function upstreamVersion(version: string): string {
  return version.replace(/^\d+:/, '').replace(/[-~+].*$/, '');
}
