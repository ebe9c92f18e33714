import { describe, expect, it } from 'vitest';
import { reachableSuites, sourcesList } from '../../../../src/engine/base/sources-list.ts';

const index = 'a'.repeat(64);
const suites = [
  { uri: 'http://mirror.test/debian', suite: 'trixie', index },
  { uri: 'http://mirror.test/debian', suite: 'trixie-updates', index },
  { uri: 'http://mirror.test/debian-security', suite: 'trixie-security', index },
];

describe('sourcesList', () => {
  it('has a paragraph per archive', () => {
    expect(sourcesList(suites)).toBe(`Types: deb
URIs: http://mirror.test/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`);
  });
});

describe('reachableSuites', () => {
  it('leaves out folders of this host', () => {
    const local = { uri: 'file:///srv/debian', suite: 'trixie', index };
    expect(reachableSuites([...suites, local])).toEqual(suites);
  });
});
