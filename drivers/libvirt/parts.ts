import { randomBytes } from 'node:crypto';
import type { Context } from '../../src/core/index.ts';

/** Name of a machine's domain, and how those of its volumes begin: no two machines have the same. */
export function machineName({ buildId }: Pick<Context, 'buildId'>): string {
  return `kib-${buildId}-${randomBytes(4).toString('hex')}`;
}
