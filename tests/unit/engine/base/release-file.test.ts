import { describe, expect, it } from 'vitest';
import { parseRelease } from '../../../../src/engine/base/release-file.ts';

const digest = (digit: string) => digit.repeat(64);

const IN_RELEASE = `-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Label: Debian
Suite: stable
Codename: trixie
Date: Sat, 12 Sep 2026 07:55:41 UTC
MD5Sum:
 ${'1'.repeat(32)} 56620099 main/binary-amd64/Packages
SHA256:
 ${digest('a')} 56620099 main/binary-amd64/Packages
 ${digest('b')}     1234 main/binary-arm64/Packages
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCAAdFiEE
-----END PGP SIGNATURE-----
`;

describe('parseRelease', () => {
  it('reads what is inside a signature', () => {
    expect(parseRelease(IN_RELEASE)).toEqual({
      origin: 'Debian',
      suite: 'stable',
      codename: 'trixie',
      date: 1_789_199_741,
      sha256: new Map([
        ['main/binary-amd64/Packages', digest('a')],
        ['main/binary-arm64/Packages', digest('b')],
      ]),
    });
  });

  it('is content with a file that says nothing', () => {
    expect(parseRelease('<html>not found</html>\n')).toEqual({
      origin: undefined,
      suite: undefined,
      codename: undefined,
      date: undefined,
      sha256: new Map(),
    });
  });
});
