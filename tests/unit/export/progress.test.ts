import { expect, it } from 'vitest';
import { percentProgress } from '../../../src/export/progress.ts';

it('progress is told in whole percent, each once', () => {
  const told: number[] = [];
  const progress = percentProgress(1000, (percent) => told.push(percent));
  for (const done of [0, 1, 9, 10, 19, 500, 490, 505, 999, 1000, 1000]) progress(done);
  expect(told).toEqual([0, 1, 50, 99, 100]);
});
