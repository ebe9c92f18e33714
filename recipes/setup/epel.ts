import type { OsDefinition, PackageRepository } from '../../src/core/index.ts';
import { EPEL, type EpelRelease } from '../data/epel.ts';

/** EPEL as a repository; nothing where there is none for the system. */
export function epelRepository(os: OsDefinition): readonly PackageRepository[] {
  const release = releaseFor(os);
  if (release === undefined) return [];
  return [{ name: 'epel', title: 'Extra Packages for Enterprise Linux', key: release.key, rpm: { baseurl: release.baseurl } }];
}

/** Amazon Linux 2 takes that of 7. From 10 on each minor release of Enterprise Linux has a branch of its own, and Stream the one without a number. */
function releaseFor({ family, distribution, version }: OsDefinition): EpelRelease | undefined {
  if (family !== 'rhel') return undefined;
  if (distribution === 'amzn') return version === '2' ? EPEL['7'] : undefined;
  const [major = ''] = version.split('.');
  return major === '10' && distribution !== 'centos' ? undefined : EPEL[major];
}
