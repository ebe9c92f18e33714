import { describe, expect, it } from 'vitest';
import { hostSize, parallelism } from '../../../src/cli/parallelism.ts';
import { GiB } from '../../../src/core/index.ts';

const machine = (cpus: number, gib: number) => ({ cpus, memoryBytes: gib * GiB });
const host = (cpus: number, free: number, all = 64) => ({ cpus, freeBytes: free * GiB, memoryBytes: all * GiB });
const five = Array.from({ length: 5 }, () => machine(2, 2));

describe('auto', () => {
  it.each([
    ['by CPUs', five, host(8, 64), 4],
    ['by free memory', five, host(64, 7), 3],
    ['by the number of images', five, host(64, 64), 5],
    ['to one, however small the host', five, host(1, 1), 1],
    ['by the largest that may meet', [machine(2, 2), machine(2, 8), machine(2, 2)], host(8, 10), 2],
  ])('is bounded %s', (_, machines, size, limit) => {
    expect(parallelism('auto', machines, size)).toEqual({ limit });
  });
});

describe('a number', () => {
  it('is taken, with no more than there are images', () => {
    expect(parallelism(3, five, host(2, 64))).toEqual({ limit: 3 });
    expect(parallelism(9, five, host(2, 64))).toEqual({ limit: 5 });
  });

  it('comes with a warning when that much memory is not free now', () => {
    expect(parallelism(3, five, host(8, 5))).toEqual({
      limit: 3,
      warning: '3 machines at once need up to 6.0 GiB of memory, of which 5.0 GiB are free now',
    });
  });

  it('is refused when the host has not that much', () => {
    const refused = expect.objectContaining({
      code: 'KIB_HOST_MEMORY',
      message: '3 machines at once need up to 6.0 GiB of memory, this host has 4.0 GiB',
    });
    expect(() => parallelism(3, five, host(8, 1, 4))).toThrow(refused);
  });

  it('of one is the user’s own affair', () => {
    expect(parallelism(1, five, host(1, 1, 1))).toEqual({ limit: 1 });
    expect(parallelism(4, [machine(2, 8)], host(1, 1, 1))).toEqual({ limit: 1 });
  });
});

it('knows this host', () => {
  const { cpus, memoryBytes, freeBytes } = hostSize();
  expect(cpus).toBeGreaterThanOrEqual(1);
  expect(freeBytes).toBeGreaterThan(0);
  expect(memoryBytes).toBeGreaterThanOrEqual(freeBytes);
  expect(memoryBytes).toBeLessThan(2 ** 50);
});
