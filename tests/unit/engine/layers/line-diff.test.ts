import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineDiff } from '../../../../src/engine/layers/line-diff.ts';

const texts = fc.array(fc.constantFrom('a', 'b', 'c', 'd', ''), { maxLength: 12 });

describe('lineDiff', () => {
  it('holds every line that went or came, in order, and nothing else changed', () => {
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const diff = lineDiff(before, after).filter((line) => line !== '  …');
        const of = (...signs: string[]) => diff.filter((line) => signs.includes(line[0] ?? '')).map((line) => line.slice(2));
        // Context may be left out, so what is shown is a subsequence, and nothing beyond it differs.
        expect(before.length - of('-', ' ').length).toBe(after.length - of('+', ' ').length);
        expect(isWithin(of('-', ' '), before)).toBe(true);
        expect(isWithin(of('+', ' '), after)).toBe(true);
        expect(diff.some((line) => !line.startsWith('  '))).toBe(JSON.stringify(before) !== JSON.stringify(after));
      }),
    );
  });

  it('shows two lines around a change, and that some between are left out', () => {
    const before = Array.from({ length: 20 }, (_, index) => `line ${index}`);
    const after = before.map((line, index) => (index === 5 || index === 15 ? 'new' : line)).concat('end');
    expect(lineDiff(before, after)).toEqual([
      '  line 3',
      '  line 4',
      '- line 5',
      '+ new',
      '  line 6',
      '  line 7',
      '  …',
      '  line 13',
      '  line 14',
      '- line 15',
      '+ new',
      '  line 16',
      '  line 17',
      '  line 18',
      '  line 19',
      '+ end',
    ]);
  });

  it('gives up on finding what long texts share', () => {
    const before = Array.from({ length: 2000 }, (_, index) => `a${index}`);
    const after = Array.from({ length: 2000 }, (_, index) => `b${index}`);
    expect(lineDiff(before, [...after, ...before.slice(0, 3)])).toHaveLength(4003);
  });
});

function isWithin(part: readonly string[], whole: readonly string[]): boolean {
  let at = 0;
  for (const line of whole) if (line === part[at]) at++;
  return at === part.length;
}
