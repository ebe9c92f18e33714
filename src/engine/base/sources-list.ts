import { type ArchiveSuite, COMPONENT } from './archive.ts';

/** Where the keys of the archive are, on a host and in the image: package debian-archive-keyring. */
export const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** debian.sources for apt, deb822 style (sources.list(5)): one paragraph per archive. */
export function sourcesList(suites: readonly ArchiveSuite[]): string {
  const uris = [...new Set(suites.map((suite) => suite.uri))];
  return uris
    .map((uri) => {
      const names = suites.filter((suite) => suite.uri === uri).map((suite) => suite.suite);
      return [
        'Types: deb',
        `URIs: ${uri}`,
        `Suites: ${names.join(' ')}`,
        `Components: ${COMPONENT}`,
        `Signed-By: ${KEYRING}`,
        '',
      ].join('\n');
    })
    .join('\n');
}

/** The suites that a machine elsewhere can reach too. */
export function reachableSuites(suites: readonly ArchiveSuite[]): readonly ArchiveSuite[] {
  return suites.filter((suite) => /^(https?|tor|mirror\+https?|mirror):/.test(suite.uri));
}
