import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksumEntries, findChecksum, newestEntry } from '../../../src/io/checksum-file.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const LONG = 'c'.repeat(128);
const query = { name: 'disk.img', algorithm: 'sha256', url: 'https://example.org/SUMS' } as const;

describe('findChecksum', () => {
  it.each([
    ['sha256sum in text mode', `${B}  other.img\n${A}  disk.img\n`],
    ['sha256sum in binary mode (Ubuntu)', `${B} *other.img\n${A} *disk.img\n`],
    ['BSD form with comments (Rocky)', `# disk.img: 5 bytes\nSHA256 (disk.img) = ${A}\n# x: 1\nSHA256 (x) = ${B}\n`],
    ['openssl form', `SHA256(disk.img)= ${A}`],
    ['a digest alone (dl.k8s.io)', A],
    ['a digest alone, in capitals and with a line end', `${A.toUpperCase()}\n`],
    ['Windows line ends', `${B}  other.img\r\n${A}  disk.img\r\n`],
    ['names below the current folder', `${A}  ./disk.img\n`],
    ['the same entry twice (Rocky)', `SHA256 (disk.img) = ${A}\nSHA256 (disk.img) = ${A}\n`],
    ['several algorithms in one file', `SHA512 (disk.img) = ${LONG}\nSHA256 (disk.img) = ${A}\n${LONG}  disk.img\n`],
    [
      'a clear-signed list without a check of its signature',
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${A}  disk.img\n-----BEGIN PGP`,
    ],
  ])('reads %s', (_form, text) => {
    expect(findChecksum(text, query)).toBe(A);
  });

  it('reads SHA-512', () => {
    expect(findChecksum(`${LONG}  disk.img\n`, { ...query, algorithm: 'sha512' })).toBe(LONG);
  });

  it('names what it looked for and what there is', () => {
    expect(() => findChecksum(`${A}  other.img\n`, query)).toThrow(
      expect.objectContaining({
        code: 'KIB_CHECKSUM_MISSING',
        message: 'https://example.org/SUMS does not give the sha256 digest of disk.img: it names 1 other files',
        details: { names: ['other.img'] },
      }) as Error,
    );
  });

  it.each([
    ['a name that only ends the same', `${A}  my-disk.img\n`],
    ['a digest of another length', `${A.slice(1)}  disk.img\n`],
    ['another algorithm', `SHA512 (disk.img) = ${LONG}\n`],
    ['an error page', '<html>404</html>'],
    ['nothing', ''],
  ])('does not take %s', (_form, text) => {
    expect(() => findChecksum(text, query)).toThrow('does not give the sha256 digest of disk.img');
  });

  it('refuses two different digests for one name', () => {
    expect(() => findChecksum(`${A}  disk.img\n${B}  disk.img\n`, query)).toThrow('2 different entries');
  });

  it('finds every entry of any list', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$/);
    const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
    fc.assert(
      fc.property(fc.dictionary(name, hex, { minKeys: 1 }), fc.boolean(), (entries, bsd) => {
        const text = Object.entries(entries)
          .map(([file, digest]) => (bsd ? `SHA256 (${file}) = ${digest}` : `${digest}  ${file}`))
          .join('\n');
        for (const [file, digest] of Object.entries(entries)) expect(findChecksum(text, { ...query, name: file })).toBe(digest);
      }),
    );
  });
});

describe('newestEntry', () => {
  const open = { ...query, name: 'al2023-kvm-2023.*-x86_64.qcow2' };

  it('takes the highest build, by numbers and not by letters', () => {
    const text = `${A}  al2023-kvm-2023.9.1-x86_64.qcow2\n${B}  al2023-kvm-2023.12.1-x86_64.qcow2\n${A}  al2023-kvm-2023.13.1-arm64.qcow2\n`;
    expect(newestEntry(text, open)).toEqual({ name: 'al2023-kvm-2023.12.1-x86_64.qcow2', hex: B });
  });

  it('reads BSD lines, and one build per file (Amazon Linux)', () => {
    const text = `# comment\nSHA256 (./al2023-kvm-2023.1-x86_64.qcow2) = ${A}\n`;
    expect(newestEntry(text, open)).toEqual({ name: 'al2023-kvm-2023.1-x86_64.qcow2', hex: A });
  });

  it('takes nothing of the pattern but the asterisk for special', () => {
    expect(() => newestEntry(`${A}  al2023-kvm-2023-1-x86_64+qcow2\n`, open)).toThrow(
      'does not give a sha256 digest of any al2023-kvm-2023.*-x86_64.qcow2: it names 1 other files',
    );
  });

  it('refuses two different digests of the newest', () => {
    const name = 'al2023-kvm-2023.1-x86_64.qcow2';
    expect(() => newestEntry(`${A}  ${name}\n${B}  ${name}\n`, open)).toThrow('2 different entries');
  });
});

describe('checksumEntries', () => {
  it('lists what is of one algorithm, in its order', () => {
    const text = `${B} *b\nSHA512 (c) = ${LONG}\nSHA256 (a) = ${A}\n`;
    expect(checksumEntries(text, 'sha256').map(({ name }) => name)).toEqual(['b', 'a']);
    expect(checksumEntries(text, 'sha512')).toEqual([{ name: 'c', hex: LONG }]);
  });
});
