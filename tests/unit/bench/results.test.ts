import { describe, expect, it } from 'vitest';
import { isMet, ratios, secondsOf, spread } from '../../../bench/results.ts';

describe('numbers of a benchmark', () => {
  it('have the median of odd and even counts, the lowest and the highest', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, low: 1, high: 4 });
    expect(() => spread([])).toThrow('no values');
  });

  it('are divided round by round, not median by median', () => {
    expect(ratios([10, 40], [5, 10])).toEqual({ median: 3, low: 2, high: 4 });
  });

  it('are picked by side, in order', () => {
    const samples = [
      { subject: 'a', seconds: 3 },
      { subject: 'b', seconds: 2 },
      { subject: 'a', seconds: 1 },
    ];
    expect(secondsOf(samples, 'a')).toEqual([3, 1]);
  });

  it.each([
    ['at least', 2, true],
    ['at least', 1.99, false],
    ['at most', 2, true],
    ['at most', 2.01, false],
  ] as const)('meet a goal of %s 2 with %d: %s', (bound, median, met) => {
    expect(isMet({ what: '', unit: '×', bound, goal: 2, got: { median, low: 0, high: 9 } })).toBe(met);
  });
});
