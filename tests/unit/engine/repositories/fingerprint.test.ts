import { describe, expect, it } from 'vitest';
import { indexDigest } from '../../../../src/engine/repositories/fingerprint.ts';

const hex = (digit: string) => digit.repeat(64);
const release = (parts: { date?: string; main?: string; source?: string; arm?: string; all?: string; suite?: string } = {}) =>
  [
    '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n',
    `Origin: Debian\nSuite: ${parts.suite ?? 'stable'}\nCodename: trixie`,
    `Date: ${parts.date ?? 'Sat, 14 Nov 2026 10:00:00 UTC'}\nValid-Until: Sat, 21 Nov 2026 10:00:00 UTC`,
    'MD5Sum:\n 0123456789abcdef0123456789abcdef 10 main/binary-amd64/Packages\nSHA256:',
    ` ${parts.main ?? hex('a')} 10 main/binary-amd64/Packages`,
    ` ${hex('b')} 10 main/binary-amd64/Packages.xz`,
    ` ${parts.all ?? hex('c')} 10 main/binary-all/Packages`,
    ` ${parts.arm ?? hex('d')} 10 main/binary-arm64/Packages`,
    ` ${parts.source ?? hex('e')} 10 main/source/Sources`,
    '-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n',
  ].join('\n');
const apt = { arch: 'amd64', components: ['main'] } as const;
const digest = (parts: Parameters<typeof release>[0]) => indexDigest(release(parts), apt);

describe('indexDigest', () => {
  it('does not change when an archive is signed anew, or for what the guest does not read', () => {
    const base = digest({});
    expect(digest({ date: 'Sun, 15 Nov 2026 10:00:00 UTC' })).toBe(base);
    expect(digest({ source: hex('0'), arm: hex('1') })).toBe(base);
  });

  it('changes with the packages that the guest reads, and when the release becomes another', () => {
    const all = [{}, { main: hex('0') }, { all: hex('0') }, { suite: 'oldstable' }].map(digest);
    expect(new Set(all).size).toBe(all.length);
    expect(indexDigest(release(), { ...apt, components: ['main', 'contrib'] })).toBe(all[0]);
    expect(indexDigest(release(), { ...apt, arch: 'arm64' })).not.toBe(all[0]);
  });

  it('counts every byte of what lists no such index, and of repomd.xml', () => {
    expect(indexDigest(release(), { ...apt, components: ['other'] })).not.toBe(
      indexDigest(release({ date: 'Sun, 15 Nov 2026 10:00:00 UTC' }), { ...apt, components: ['other'] }),
    );
    expect(indexDigest('<repomd>1</repomd>', undefined)).not.toBe(indexDigest('<repomd>2</repomd>', undefined));
  });

  it('reads the index of a flat repository', () => {
    const flat = (date: string, index: string) => `Date: ${date}\nSHA256:\n ${index} 10 Packages\n ${hex('9')} 10 Packages.gz\n`;
    const at = (date: string, index: string) => indexDigest(flat(date, index), { arch: 'amd64', components: [] });
    expect(at('today', hex('1'))).toBe(at('yesterday', hex('1')));
    expect(at('today', hex('1'))).not.toBe(at('today', hex('2')));
  });
});
