import { describe, expect, it } from 'vitest';
import { debianUris, indexDigest, isSuite, suitesOf } from '../../../../src/engine/base/archive.ts';
import { parseRelease } from '../../../../src/engine/base/release-file.ts';

const DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n';
const UBUNTU = 'VERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n';

const release = (name: string, index: string) =>
  `Origin: Debian\nSuite: stable\nCodename: ${name}\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n ${index} 1 main/binary-amd64/Packages\n`;

describe('debianUris', () => {
  const source = (uri: string, suite: string, component = 'main') => ({ uri, suite, component });

  it('finds the archive among a host’s other sources', () => {
    const sources = [
      source('http://mirror.test/debian', 'bookworm'),
      source('http://mirror.test/debian', 'bookworm-updates'),
      source('http://mirror.test/debian-security', 'bookworm-security'),
      source('https://third.test/node', 'nodistro'),
      source('https://third.test/docker', 'bookworm', 'stable'),
      source('https://third.test/pg', 'bookworm-pgdg'),
    ];
    expect(debianUris(sources, DEBIAN)).toEqual(['http://mirror.test/debian', 'http://mirror.test/debian-security']);
  });

  it('knows suites by their role', () => {
    expect(debianUris([source('http://mirror.test/debian', 'oldstable')], DEBIAN)).toHaveLength(1);
  });

  it('takes nothing from a host that is not Debian', () => {
    expect(debianUris([source('http://mirror.test/ubuntu', 'noble')], UBUNTU)).toEqual([]);
    expect(debianUris([source('http://mirror.test/x', 'bookworm')], '')).toEqual([]);
  });
});

describe('indexDigest', () => {
  it('is the digest of the package index of that architecture', () => {
    const text = release('trixie', 'a'.repeat(64));
    expect(indexDigest(text, parseRelease(text), 'amd64')).toBe('a'.repeat(64));
  });

  it('falls back to the whole file, so that nothing changes unnoticed', () => {
    const text = release('trixie', 'a'.repeat(64));
    const other = text.replace('07:55', '08:55');
    expect(indexDigest(text, parseRelease(text), 'arm64')).toMatch(/^[0-9a-f]{64}$/);
    expect(indexDigest(other, parseRelease(other), 'arm64')).not.toBe(indexDigest(text, parseRelease(text), 'arm64'));
  });
});

describe('isSuite', () => {
  it('goes by code name or role', () => {
    const stable = parseRelease(release('trixie', 'a'.repeat(64)));
    expect(isSuite(stable, 'trixie')).toBe(true);
    expect(isSuite(stable, 'stable')).toBe(true);
    expect(isSuite(stable, 'trixie-security')).toBe(false);
  });
});

describe('suitesOf', () => {
  it('starts with the suite itself', () => {
    expect(suitesOf('trixie')).toEqual(['trixie', 'trixie-updates', 'trixie-security']);
  });
});
