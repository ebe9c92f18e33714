import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dnfRepositories, dnfVariables, fillIn, parseRepos } from '../../../../src/engine/repositories/dnf-repos.ts';

// As the Rocky Linux 10 cloud image has it, but for the hosts.
const ROCKY = `# rocky.repo
#
# The mirrorlist system uses the connecting IP address of the client.

[baseos]
name=Rocky Linux $releasever - BaseOS
mirrorlist=https://mirrors.example.org/mirrorlist?arch=$basearch&repo=BaseOS-$releasever$rltype
#baseurl=http://dl.example.org/$contentdir/$releasever/BaseOS/$basearch/os/
gpgcheck=1
enabled=1
countme=1
metadata_expire=6h
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-Rocky-10

[baseos-debug]
name=Rocky Linux $releasever - BaseOS - Debug
mirrorlist=https://mirrors.example.org/mirrorlist?arch=$basearch&repo=BaseOS-$releasever-debug$rltype
enabled=0

[epel]
name=Extra Packages
metalink=https://mirrors.example.org/metalink?repo=epel-$releasever&arch=$basearch
baseurl =

[tool]
name = Tool
baseurl = https://a.example.org/\${releasever}/$basearch/
          https://b.example.org/$contentdir/$releasever_major,
          https://c.example.org/
`;
const OS_RELEASE = 'NAME="Rocky Linux"\nVERSION="10.1 (Red Quartz)"\nID="rocky"\nVERSION_ID="10.1"\n';
const FILES = new Map([
  ['contentdir', 'pub/rocky\n'],
  ['rltype', ''],
]);
const variables = dnfVariables(OS_RELEASE, FILES, 'amd64');

describe('parseRepos', () => {
  it('reads enabled repositories, values on several lines included', () => {
    expect(parseRepos(ROCKY)).toEqual([
      {
        id: 'baseos',
        baseurls: [],
        mirrorlist: 'https://mirrors.example.org/mirrorlist?arch=$basearch&repo=BaseOS-$releasever$rltype',
      },
      { id: 'epel', baseurls: [], metalink: 'https://mirrors.example.org/metalink?repo=epel-$releasever&arch=$basearch' },
      {
        id: 'tool',
        baseurls: [
          'https://a.example.org/${releasever}/$basearch/',
          'https://b.example.org/$contentdir/$releasever_major',
          'https://c.example.org/',
        ],
      },
    ]);
  });

  it.each(['0', 'no', 'False', 'off'])('takes enabled=%s for off', (value) => {
    expect(parseRepos(`[a]\nbaseurl=https://a.example/\nenabled=${value}\n`)).toEqual([]);
  });

  it('leaves out the options of dnf itself and repositories without an address', () => {
    expect(parseRepos('[main]\nbaseurl=https://a.example/\n[b]\nname=b\n')).toEqual([]);
  });

  it('finds again what was written down, and never throws', () => {
    const id = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/).filter((name) => name !== 'main');
    const repo = fc.record({
      id,
      baseurls: fc.array(
        id.map((name) => `https://${name}.example/`),
        { minLength: 1 },
      ),
    });
    fc.assert(
      fc.property(fc.array(repo), (repos) => {
        const text = repos.map((each) => `[${each.id}]\nname=x\nbaseurl=${each.baseurls.join('\n  ')}\n`).join('\n');
        expect(parseRepos(text)).toEqual(repos);
      }),
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseRepos(text)));
  });
});

describe('dnfVariables', () => {
  it('takes the major version for the release', () => {
    expect(fillIn('$releasever $releasever_major $releasever_minor ${basearch} $ARCH', variables)).toBe('10 10 1 x86_64 x86_64');
  });

  it('lets files have the last word', () => {
    const own = dnfVariables(OS_RELEASE, new Map([['releasever', '10.2\n']]), 'arm64');
    expect(fillIn('$releasever $releasever_major $releasever_minor $basearch', own)).toBe('10.2 10 2 aarch64');
  });

  it('leaves alone what nobody knows', () => {
    expect(fillIn('https://$host/$', variables)).toBe('https://$host/$');
  });
});

describe('dnfRepositories', () => {
  it('fills in addresses; a list of mirrors is known by the repository’s name', () => {
    expect(dnfRepositories(parseRepos(ROCKY), variables)).toEqual({
      sources: [
        {
          paths: ['repodata/repomd.xml'],
          mirrors: { url: 'https://mirrors.example.org/mirrorlist?arch=x86_64&repo=BaseOS-10', name: 'baseos' },
        },
        {
          paths: ['repodata/repomd.xml'],
          mirrors: { url: 'https://mirrors.example.org/metalink?repo=epel-10&arch=x86_64', name: 'epel' },
        },
        {
          paths: ['repodata/repomd.xml'],
          mirrors: ['https://a.example.org/10/x86_64/', 'https://b.example.org/pub/rocky/10', 'https://c.example.org/'],
        },
      ],
      unwatched: [],
    });
  });

  it('does not follow what lies in the guest itself, and says what it cannot read', () => {
    const from = (url: string) => dnfRepositories([{ id: 'r', baseurls: [url] }], variables);
    expect(from('file:///srv/repo')).toEqual({ sources: [], unwatched: [] });
    expect(from('ftp://user:secret@host.example/repo').unwatched).toEqual([
      { what: 'r at ftp://***@host.example/repo', why: expect.stringContaining('not read') },
    ]);
  });
});
