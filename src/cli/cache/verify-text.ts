import { problemText } from '../../engine/layers/problem.ts';
import type { VerifiedLayer } from '../../engine/layers/verify-layers.ts';
import { table } from '../table.ts';

/** One line per layer: whether it is right, and else what is not. */
export function verifyText(layers: readonly VerifiedLayer[]): string {
  if (layers.length === 0) return 'there are no layers';
  return table(
    layers.map(({ key, name, image, status, problem, isRemoved }) => [
      status,
      name ?? '?',
      key.slice(0, 12),
      image ?? 'unknown',
      `${problem === undefined ? '' : problemText(problem)}${isRemoved ? '; removed' : ''}`,
    ]),
  );
}
