import { describe, expect, it } from 'vitest';
import { cheapestStart, isMemoryWorthIt, keptLayers } from '../../../../src/engine/layers/policy.ts';

describe('saving memory', () => {
  const middle = { isFirst: false, isLast: false, bootMs: 40_000, pausedMs: 300 };

  it('always is for the first and the last layer', () => {
    expect(isMemoryWorthIt({ ...middle, isFirst: true, pausedMs: 60_000 })).toBe(true);
    expect(isMemoryWorthIt({ ...middle, isLast: true, pausedMs: 60_000 })).toBe(true);
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
  it('are all of them while they are few', () => {
    expect(keptLayers(3)).toEqual([0, 1, 2]);
    expect(keptLayers(0)).toEqual([]);
  });

  it('are the first two and the last ones when there are many', () => {
    expect(keptLayers(8, 5)).toEqual([0, 1, 5, 6, 7]);
    expect(keptLayers(100)).toHaveLength(16);
    expect(keptLayers(100).at(-1)).toBe(99);
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
