import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, GiB, KiB, MiB, parseSize } from '../../../src/core/index.ts';

describe('parseSize', () => {
  it.each([
    ['4096', 4096],
    ['4096B', 4096],
    ['512M', 512 * MiB],
    ['512MiB', 512 * MiB],
    ['512 MB', 512 * MiB],
    ['1.5g', 1.5 * GiB],
    [' 20GiB ', 20 * GiB],
    ['2T', 2048 * GiB],
    ['0', 0],
  ])('%j', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'GiB', '-1G', '1e3', '1,5G', '20 gigs', '10iB', '1P', '99999999T', '0x10', 'NaN'])('%j is no size', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it('reads whole numbers of any unit exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1 << 20 }), fc.constantFrom('K', 'M', 'G'), (count, unit) => {
        expect(parseSize(`${count}${unit}iB`)).toBe(count * { K: KiB, M: MiB, G: GiB }[unit]);
      }),
    );
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [MiB - 1, '1.0 MiB'],
    [MiB - 100, '1023.9 KiB'],
    [430.5 * MiB, '430.5 MiB'],
    [20 * GiB, '20.0 GiB'],
    [3000 * GiB, '2.9 TiB'],
  ])('%i', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [12_400, '12.4 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min 00 s'],
    [185_000, '3 min 05 s'],
    [3_599_999, '60 min 00 s'],
  ])('%d', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
