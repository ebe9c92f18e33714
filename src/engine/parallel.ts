import pLimit from 'p-limit';
import { KibError } from '../core/index.ts';

/**
 * Runs `work` on every item, at most `limit` at once, and returns the results in order. The first failure aborts the signal the others were
 * given; it is thrown once all of them have ended, so that none works on in the background.
 */
export async function mapParallel<T, R>(
  items: readonly T[],
  options: { readonly limit: number; readonly signal: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<readonly R[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const limit = pLimit(options.limit);
  const failures: unknown[] = [];
  const settled = await Promise.allSettled(
    items.map((item) =>
      limit(async () => {
        try {
          return await work(item, signal);
        } catch (error) {
          failures.push(error);
          stop.abort(new KibError('KIB_CANCELLED', 'stopped, since another one failed', { cause: error }));
          throw error;
        }
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
  return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}
