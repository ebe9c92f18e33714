import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AptEntry, aptRepositories, parseDeb822, parseList } from '../../../../src/engine/repositories/apt-sources.ts';

// As cloud images of Debian 13 and Ubuntu 24.04 have them, but for the hosts.
const DEBIAN = `Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian.list
Suites: trixie trixie-updates trixie-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian-security.list
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`;
const UBUNTU = `## Note, this file is written by cloud-init on first boot of an instance
# See http://help.example.org/community/UpgradeNotes for how to upgrade.

Types: deb
URIs: http://archive.example.org/ubuntu/
# Uncomment to use a mirror near you
Suites: noble noble-updates noble-backports
Components: main universe restricted multiverse
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

## Ubuntu security updates.
Types: deb
URIs: http://security.example.org/ubuntu/
Suites: noble-security
Components: main universe restricted multiverse
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEYCQjIxYJKwYBBAHaRw8BAQdAD/P5Nvvnvk66SxBBHDbhRml9ORg1WV5CvzKY
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://ports.example.org/
Suites: noble-proposed
Components: main

Types: deb-src
URIs: http://archive.example.org/ubuntu/
Suites: noble
Components: main
`;
const LIST = `# deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 NETINST]/ bookworm main
deb http://deb.example.org/debian bookworm main contrib # the archive
deb-src http://deb.example.org/debian bookworm main
deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/tool.gpg] https://tool.example.org/apt stable main
deb [ arch=armhf ] https://other.example.org/apt stable main
\tdeb https://flat.example.org/deb/ /
deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_]/ bookworm main
deb incomplete
`;

const urls = (entries: readonly AptEntry[], lists: Record<string, string> = {}) =>
  aptRepositories(entries, 'amd64', new Map(Object.entries(lists)));

describe('parseDeb822', () => {
  it('reads the sources of an Ubuntu image: comments, keys over several lines, what is switched off', () => {
    const components = ['main', 'universe', 'restricted', 'multiverse'];
    const entry = (uri: string, suite: string) => ({ uri, suite, components, architectures: [] });
    expect(parseDeb822(UBUNTU)).toEqual([
      entry('http://archive.example.org/ubuntu/', 'noble'),
      entry('http://archive.example.org/ubuntu/', 'noble-updates'),
      entry('http://archive.example.org/ubuntu/', 'noble-backports'),
      entry('http://security.example.org/ubuntu/', 'noble-security'),
    ]);
  });

  it('reads several URIs, values on lines of their own and Windows line ends', () => {
    const text = 'Types: deb\r\nURIs:\r\n http://a.example\r\n\thttp://b.example\r\nSuites: x/\r\nArchitectures: amd64 arm64\r\n';
    expect(parseDeb822(text)).toEqual(
      ['http://a.example', 'http://b.example'].map((uri) => ({
        uri,
        suite: 'x/',
        components: [],
        architectures: ['amd64', 'arm64'],
      })),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => Array.isArray(parseDeb822(text)) && Array.isArray(parseList(text))),
    );
    expect(parseDeb822('')).toEqual([]);
  });
});

describe('parseList', () => {
  it('reads options, comments and addresses in brackets', () => {
    expect(parseList(LIST)).toEqual([
      { uri: 'http://deb.example.org/debian', suite: 'bookworm', components: ['main', 'contrib'], architectures: [] },
      { uri: 'https://tool.example.org/apt', suite: 'stable', components: ['main'], architectures: ['amd64', 'arm64'] },
      { uri: 'https://other.example.org/apt', suite: 'stable', components: ['main'], architectures: ['armhf'] },
      { uri: 'https://flat.example.org/deb/', suite: '/', components: [], architectures: [] },
      { uri: 'cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_]/', suite: 'bookworm', components: ['main'], architectures: [] },
    ]);
  });

  it('reads the same as the other style says', () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
    const entry = fc.record({
      uri: word.map((name) => `https://${name}.example/debian`),
      suite: word,
      components: fc.uniqueArray(word, { minLength: 1, maxLength: 3 }),
      architectures: fc.uniqueArray(fc.constantFrom('amd64', 'arm64', 'armhf')),
    });
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const options = ({ architectures: all }: AptEntry) => (all.length === 0 ? '' : `[arch=${all.join(',')}] `);
        const list = entries.map((each) => `deb ${options(each)}${each.uri} ${each.suite} ${each.components.join(' ')}\n`);
        const deb822 = entries.map(({ uri, suite, components, architectures }) =>
          [
            `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: ${components.join(' ')}\n`,
            architectures.length === 0 ? '' : `Architectures: ${architectures.join(' ')}\n`,
          ].join(''),
        );
        expect(parseList(list.join(''))).toEqual(entries);
        expect(parseDeb822(deb822.join('\n'))).toEqual(entries);
      }),
    );
  });
});

describe('aptRepositories', () => {
  it('finds the index of each suite once, with all components that are read', () => {
    const entries = parseList(
      'deb http://a.example/debian/ trixie main\ndeb http://a.example/debian/ trixie contrib main\ndeb http://a.example/debian/ trixie-updates main',
    );
    expect(urls(entries)).toEqual({
      sources: [
        {
          paths: ['dists/trixie/InRelease', 'dists/trixie/Release'],
          mirrors: ['http://a.example/debian/'],
          apt: { arch: 'amd64', components: ['contrib', 'main'] },
        },
        {
          paths: ['dists/trixie-updates/InRelease', 'dists/trixie-updates/Release'],
          mirrors: ['http://a.example/debian/'],
          apt: { arch: 'amd64', components: ['main'] },
        },
      ],
      unwatched: [],
    });
  });

  it.each([
    ['/', 'InRelease'],
    ['./', 'InRelease'],
    ['deb/x86/', 'deb/x86/InRelease'],
    ['$(ARCH)/', 'amd64/InRelease'],
  ])('knows the flat suite %s', (suite, path) => {
    const { sources } = urls([{ uri: 'https://flat.example/apt', suite, components: [], architectures: [] }]);
    expect(sources.map(({ paths }) => paths[0])).toEqual([path]);
  });

  it('leaves other architectures out', () => {
    const { sources, unwatched } = urls(parseList(LIST));
    expect(sources.map(({ mirrors }) => mirrors)).toEqual([
      ['http://deb.example.org/debian'],
      ['https://tool.example.org/apt'],
      ['https://flat.example.org/deb/'],
    ]);
    expect(unwatched.map(({ what }) => what)).toEqual([expect.stringMatching(/^cdrom:.* bookworm$/)]);
  });

  it('takes mirrors from the lists that Debian’s cloud images have', () => {
    const entries = parseDeb822(DEBIAN);
    const lists = {
      '/etc/apt/mirrors/debian.list': 'https://deb.example.org/debian\n# slow\nhttps://two.example.org/debian\tpriority:2\n',
      '/etc/apt/mirrors/debian-security.list': 'https://deb.example.org/debian-security\n',
    };
    const { sources, unwatched } = urls(entries, lists);
    expect(sources.map(({ mirrors, paths }) => [paths[0], mirrors])).toEqual([
      ['dists/trixie/InRelease', ['https://deb.example.org/debian', 'https://two.example.org/debian']],
      ['dists/trixie-updates/InRelease', ['https://deb.example.org/debian', 'https://two.example.org/debian']],
      ['dists/trixie-backports/InRelease', ['https://deb.example.org/debian', 'https://two.example.org/debian']],
      ['dists/trixie-security/InRelease', ['https://deb.example.org/debian-security']],
    ]);
    expect(unwatched).toEqual([]);
    expect(urls(entries).unwatched).toHaveLength(4);
  });

  it('does not follow what lies in the guest itself, and says what it cannot read', () => {
    const from = (uri: string) => urls([{ uri, suite: 'trixie', components: ['main'], architectures: [] }]);
    expect(from('file:/srv/debian')).toEqual({ sources: [], unwatched: [] });
    expect(from('copy:///srv/debian')).toEqual({ sources: [], unwatched: [] });
    expect(from('tor+http://user:secret@hidden.example/debian').unwatched).toEqual([
      { what: 'tor+http://***@hidden.example/debian trixie', why: expect.stringContaining('not read') },
    ]);
  });
});
