import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from '../../../src/config/nearest.ts';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['a', '', 1],
    ['debian13', 'debain13', 1],
    ['kitten', 'sitting', 3],
  ])('%s and %s are %i apart', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  it('is a distance', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});

describe('nearest', () => {
  const known = ['image', 'kubernetes.version', 'recipes.containerd.version', 'guest-agent'];

  it.each([
    ['imgae', 'image'],
    ['IMAGE', 'image'],
    ['guest_agent', 'guest-agent'],
    ['kubernetes.verison', 'kubernetes.version'],
    ['containerd.version', 'recipes.containerd.version'],
    ['kubern', 'kubernetes.version'],
    ['zebra', undefined],
    ['x', undefined],
  ])('%s is near %s', (name, expected) => {
    expect(nearest(name, known)).toBe(expected);
  });
});
