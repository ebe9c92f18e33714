import { describe, expect, it } from 'vitest';
import { downloadsOf, requirementsOf } from '../../../src/plan/requirements.ts';

const a = 'a'.repeat(64);
const b = 'b'.repeat(64);

describe('requirements', () => {
  it('finds the downloads of helpers', () => {
    const download = { url: 'https://x.example/y', why: 'z' };
    expect(
      downloadsOf([
        { kind: 'remove' },
        { kind: 'unpack', download } as { kind: string },
        { kind: 'download', download } as { kind: string },
      ]),
    ).toEqual([download, download]);
  });

  it('has one entry per URL that says everyone who needs it', () => {
    const url = 'https://x.example/y';
    expect(
      requirementsOf(
        [
          { url, checksumUrl: `${url}.sha256`, why: 'one' },
          { url, sha256: a, why: 'two' },
          { url, sha256: a, why: 'one' },
        ],
        new Map(),
      ),
    ).toEqual([{ url, sha256: a, checksumUrl: undefined, why: 'one; two' }]);
  });

  it('keeps a SHA-512 for publishers that give no other', () => {
    const url = 'https://x.example/y';
    const sha512 = 'c'.repeat(128);
    expect(requirementsOf([{ url, sha512, why: 'one' }], new Map())).toEqual([
      { url, sha256: undefined, sha512, checksumUrl: undefined, why: 'one' },
    ]);
  });

  it('takes digests that were resolved, but never over a pinned one', () => {
    const digests = new Map([
      ['https://x.example/1', b],
      ['https://x.example/2', b],
    ]);
    const requirements = requirementsOf(
      [
        { url: 'https://x.example/1', sha256: a, why: '' },
        { url: 'https://x.example/2', checksumUrl: 'https://x.example/2.sha256', why: '' },
        { url: 'https://x.example/3', checksumUrl: 'https://x.example/3.sha256', why: '' },
      ],
      digests,
    );
    expect(requirements.map(({ sha256 }) => sha256)).toEqual([a, b, undefined]);
  });

  it('refuses two digests of one URL', () => {
    const url = 'https://x.example/y';
    expect(() =>
      requirementsOf(
        [
          { url, sha256: a, why: '' },
          { url, sha256: b, why: '' },
        ],
        new Map(),
      ),
    ).toThrow('https://x.example/y is pinned to different digests');
  });
});
