import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cheapestStart, isMemoryWorthIt, keptLayers } from '../../../../src/engine/layers/policy.ts';

describe('saving memory', () => {
  const middle = { index: 4, count: 10, bootMs: 40_000, pausedMs: 300 };

  it('always is for the first and the last two layers', () => {
    const slow = Array.from({ length: 5 }, (_, index) => ({ ...middle, index, count: 5, pausedMs: 60_000 }));
    expect(slow.map(isMemoryWorthIt)).toEqual([true, false, false, true, true]);
  });

  it('is weighed against the boot it spares for the others', () => {
    expect(isMemoryWorthIt(middle)).toBe(true);
    expect(isMemoryWorthIt({ ...middle, pausedMs: 6000 })).toBe(false);
    expect(isMemoryWorthIt({ ...middle, bootMs: 2000 })).toBe(false);
  });

  it('is tried when its cost is not known yet', () => {
    expect(isMemoryWorthIt({ ...middle, bootMs: 0, pausedMs: undefined })).toBe(true);
  });
});

describe('layers to keep', () => {
  const recipes = (count: number) => Array.from({ length: count }, (_, index) => `recipe-${index}`);

  it('are all of them while they are few', () => {
    expect(keptLayers(['boot', 'repositories', 'packages'], 3)).toEqual([0, 1, 2]);
    expect(keptLayers([])).toEqual([]);
  });

  it('are those up to the packages and the last ones when there are many', () => {
    const many = ['boot', 'repositories', 'packages', ...recipes(97)];
    expect(keptLayers(many.slice(0, 8), 5)).toEqual([0, 1, 2, 6, 7]);
    expect(keptLayers(many)).toHaveLength(16);
    expect(keptLayers(many).slice(0, 4)).toEqual([0, 1, 2, 87]);
    expect(keptLayers(many).at(-1)).toBe(99);
  });

  it('are the first, that of the packages and the last where only three are worth it', () => {
    expect(keptLayers(['boot', 'repositories', 'packages', ...recipes(5)], 3)).toEqual([0, 2, 7]);
    expect(keptLayers(['boot', 'packages', ...recipes(5)], 3)).toEqual([0, 1, 6]);
    expect(keptLayers(['boot', 'provision-before-packages', 'repositories', 'packages', 'node'], 3)).toEqual([0, 3, 4]);
  });

  it('are never more than there may be, and always the first, that of the packages and the last', () => {
    const sizes = fc.record({ before: fc.nat(5), after: fc.nat(30), maxDepth: fc.integer({ min: 3, max: 20 }) });
    fc.assert(
      fc.property(sizes, ({ before, after, maxDepth }) => {
        const kept = keptLayers(['boot', ...recipes(before), 'packages', ...recipes(after)], maxDepth);
        expect(kept.length).toBeLessThanOrEqual(maxDepth);
        expect(kept).toEqual([...new Set(kept)].toSorted((a, b) => a - b));
        expect(kept).toEqual(expect.arrayContaining([0, before + 1, before + 1 + after]));
      }),
    );
  });

  it('are the first two and the last when there are no packages', () => {
    expect(keptLayers(['boot', ...recipes(7)], 5)).toEqual([0, 1, 5, 6, 7]);
  });
});

describe('where to start', () => {
  const offer = (canResume: boolean, ms: number) => ({ canResume, ms, bootMs: 40_000 });

  it('is the last layer when its memory can be loaded', () => {
    expect(cheapestStart([offer(true, 40_000), offer(false, 90_000), offer(true, 1000)])).toBe(2);
  });

  it('is a memory below when making the rest again is faster than booting', () => {
    expect(cheapestStart([offer(true, 40_000), offer(true, 90_000), offer(false, 1000), offer(false, 2000)])).toBe(1);
  });

  it('is the last layer when making it again is slower than booting, or there is no memory at all', () => {
    expect(cheapestStart([offer(true, 40_000), offer(false, 90_000)])).toBe(1);
    expect(cheapestStart([offer(false, 40_000), offer(false, 1000)])).toBe(1);
    expect(cheapestStart([])).toBe(-1);
  });
});
