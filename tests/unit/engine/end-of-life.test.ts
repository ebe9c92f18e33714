import { describe, expect, it } from 'vitest';
import { isAtEndOfLife, warnAtEndOfLife } from '../../../src/engine/end-of-life.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { osOf } from '../../support/plan.ts';
import { RecordingSpan } from '../../support/test-context.ts';

const at = (day: string) => Date.parse(`${day}T12:00:00Z`);

describe('end of life', () => {
  it.each([
    ['2024-06-29', false],
    ['2024-06-30', true],
    ['2026-11-20', true],
  ])('on %s of a system that ends on 2024-06-30: %s', (day, expected) => {
    expect(isAtEndOfLife({ endOfLife: '2024-06-30' }, at(day))).toBe(expected);
  });

  it('never comes where none is announced', () => {
    expect(isAtEndOfLife({}, at('2099-01-01'))).toBe(false);
  });

  it('is warned of once, with its day', () => {
    const span = new RecordingSpan();
    warnAtEndOfLife(osOf('centos7'), { clock: new FakeClock(at('2026-11-20')), span });
    expect(span.events).toEqual([
      expect.objectContaining({
        type: 'warning',
        code: 'KIB_END_OF_LIFE',
        message: expect.stringContaining('CentOS 7 has had no free updates since 2024-06-30') as string,
      }),
    ]);
  });

  it('is not spoken of before', () => {
    const span = new RecordingSpan();
    warnAtEndOfLife(osOf('rocky10'), { clock: new FakeClock(at('2026-11-20')), span });
    expect(span.events).toEqual([]);
  });
});
