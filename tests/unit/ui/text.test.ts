import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clean, cleanLines, cut, pad, width } from '../../../src/ui/text.ts';

describe('clean', () => {
  it('leaves no control or direction character, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(clean(text))).toBe(false);
      }),
    );
  });

  it('keeps ordinary text of any language', () => {
    expect(clean('  Größe: 5 µm – 安装 ✓')).toBe('  Größe: 5 µm – 安装 ✓');
  });

  it('takes a line that overwrote itself by its last state', () => {
    expect(clean('10 %\r50 %\r100 %')).toBe('100 %');
    expect(clean('done\r')).toBe('done');
    expect(clean('\r\r')).toBe('');
  });

  it('splits messages into lines and drops blank ones', () => {
    expect(cleanLines('a\n\n\u001b[1mb\u001b[0m\r\n')).toEqual(['a', 'b']);
  });
});

describe('width', () => {
  it.each([
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['安', 2],
    ['한', 2],
    ['ｆ', 2],
    ['🎉', 2],
    ['✓', 1],
    ['…', 1],
    ['│', 1],
  ])('%s takes %i cells', (text, cells) => {
    expect(width(text)).toBe(cells);
  });

  it('cut never exceeds the cells and leaves shorter texts alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 40 }), (text, cells) => {
        const whole = clean(text);
        const short = cut(whole, cells);
        expect(width(short)).toBeLessThanOrEqual(cells);
        expect(short === whole).toBe(width(whole) <= cells);
      }),
    );
    expect(cut('kubernetes', 5)).toBe('kube…');
    expect(cut('安装容器', 4)).toBe('安…');
  });

  it('pad counts cells, not characters', () => {
    expect(pad('安', 4)).toBe('安  ');
    expect(pad('long', 2)).toBe('long');
  });
});
