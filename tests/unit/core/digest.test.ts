import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { canonicalJson, digestFile, sha256 } from '../../../src/core/index.ts';

// FIPS 180-4 test vectors for "abc".
const ABC_256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const ABC_512 =
  'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f';

describe('digests', () => {
  it('of text and bytes', () => {
    expect(sha256('abc')).toBe(ABC_256);
    expect(sha256(new TextEncoder().encode('abc'))).toBe(ABC_256);
  });

  it('of files, in chunks', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kib-test-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    const path = join(dir, 'abc');
    await writeFile(path, 'abc');
    expect(await digestFile(path, 'sha256')).toBe(ABC_256);
    expect(await digestFile(path, 'sha512')).toBe(ABC_512);
    const big = Buffer.alloc((3 << 20) + 17, 'x');
    await writeFile(path, big);
    expect(await digestFile(path, 'sha256')).toBe(sha256(big));
    await expect(digestFile(path, 'sha256', AbortSignal.abort())).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    await expect(digestFile(join(dir, 'none'), 'sha256')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

/** The same value with the members of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, shuffled(member)]),
  );
}

describe('canonicalJson', () => {
  it('is valid JSON of the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('does not depend on the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it('tells different values apart', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const isSame = isDeepStrictEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
        expect(canonicalJson(a) === canonicalJson(b)).toBe(isSame);
      }),
    );
  });

  it('sorts at every depth, leaves out undefined and keeps the order of arrays', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }, 'x'], a: undefined, A: null })).toBe('{"A":null,"b":[{"c":2,"d":1},"x"]}');
  });
});
