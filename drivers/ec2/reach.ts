import type { Reach } from '../../src/aws/api.ts';
import type { Context } from '../../src/core/index.ts';

/** What the API needs of a build's context. */
export function reachOf({ clock, network }: Pick<Context, 'clock' | 'network'>): Reach {
  return { clock, caFile: network?.caFile };
}
