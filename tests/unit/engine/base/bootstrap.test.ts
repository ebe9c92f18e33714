import { describe, expect, it } from 'vitest';
import { formatAge } from '../../../../src/engine/base/bootstrap.ts';

const DAY = 86_400_000;

describe('formatAge', () => {
  it.each([
    [DAY - 1, 'today'],
    [DAY, '1 day ago'],
    [30 * DAY, '30 days ago'],
  ])('%d ms', (ms, text) => {
    expect(formatAge(ms)).toBe(text);
  });
});
