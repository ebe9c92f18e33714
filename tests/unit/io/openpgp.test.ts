import { describe, expect, it } from 'vitest';
import { dearmor } from '../../../src/io/openpgp.ts';

const armor = (body: string, headers = '') =>
  `-----BEGIN PGP PUBLIC KEY BLOCK-----\n${headers}\n${body}\n-----END PGP PUBLIC KEY BLOCK-----\n`;

describe('dearmor', () => {
  it.each([
    ['plain', armor('aGVs\nbG8=')],
    ['with headers and a checksum', armor('aGVs\nbG8=\n=abcd', 'Version: GnuPG v1\nComment: x\n')],
    ['with Windows line ends and text around it', `hi\r\n${armor('aGVs\nbG8=').replaceAll('\n', '\r\n')}bye`],
  ])('decodes a block %s', (_form, text) => {
    expect(dearmor(text).toString()).toBe('hello');
  });

  it.each(['', 'aGVsbG8=', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\naGVsbG8='])('refuses %j', (text) => {
    expect(() => dearmor(text)).toThrow('not an ASCII-armoured');
  });
});
