import { type ConfigIssue, configError, type Download, type HelperAction, type Requirement } from '../core/index.ts';

/** The downloads that actions declare. */
export function downloadsOf(actions: readonly { readonly kind: string }[]): readonly Download[] {
  return actions.flatMap((action) => {
    const helper = action as HelperAction;
    return helper.kind === 'download' || helper.kind === 'unpack' ? [helper.download] : [];
  });
}

/**
 * One requirement per URL, in the order first named. `digests` holds what was read from checksum files or, for `file:` URLs without
 * one, computed from the file. Throws KIB_RECIPE_INVALID when a URL is pinned to two digests.
 */
export function requirementsOf(downloads: readonly Download[], digests: ReadonlyMap<string, string>): readonly Requirement[] {
  const byUrl = new Map<string, Download[]>();
  for (const download of downloads) byUrl.set(download.url, [...(byUrl.get(download.url) ?? []), download]);
  const issues: ConfigIssue[] = [];
  const requirements = [...byUrl].map(([url, same]): Requirement => {
    const pins = unique(same.flatMap(({ sha256 }) => (sha256 === undefined ? [] : [sha256])));
    if (pins.length > 1) issues.push({ path: 'recipes', message: `${url} is pinned to different digests: ${pins.join(', ')}` });
    const sha512 = same.find((download) => download.sha512 !== undefined)?.sha512;
    return {
      url,
      sha256: pins[0] ?? digests.get(url),
      ...(sha512 === undefined ? {} : { sha512 }),
      checksumUrl: pins.length > 0 ? undefined : same.find(({ checksumUrl }) => checksumUrl !== undefined)?.checksumUrl,
      why: unique(same.map(({ why }) => why)).join('; '),
    };
  });
  if (issues.length > 0) throw configError(issues, 'KIB_RECIPE_INVALID');
  return requirements;
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}
