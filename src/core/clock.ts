import { setTimeout as delay } from 'node:timers/promises';
import { cancelled } from './errors.ts';

/** Time as the engine sees it, so that tests can run years in milliseconds. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason (as a KibError) as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node turns timers that are longer than this (25 days) into 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    throwIfAborted(signal);
    try {
      await delay(Math.min(ms, MAX_TIMER_MS), undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    }
  },
};

/** Throws KIB_CANCELLED (or the KibError the signal was aborted with) when `signal` is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(signal.reason);
}

export interface Deadline {
  readonly ms: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Made when the time is up; becomes both the rejection and the abort reason that `work` sees. */
  readonly onTimeout: () => Error;
}

/**
 * Runs `work` under a signal that aborts at the deadline or with the outer signal. Rejects as soon as either fires, even
 * when `work` ignores its signal; a late result is dropped.
 */
export async function withDeadline<T>(deadline: Deadline, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  throwIfAborted(deadline.signal);
  const inner = new AbortController();
  const timer = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    inner.signal.addEventListener('abort', () => reject(inner.signal.reason as Error), { once: true });
  });
  aborted.catch(() => {});
  const onOuter = () => inner.abort(cancelled(deadline.signal.reason));
  deadline.signal.addEventListener('abort', onOuter, { once: true });
  deadline.clock.sleep(deadline.ms, timer.signal).then(
    () => inner.abort(deadline.onTimeout()),
    () => {},
  );
  try {
    return await Promise.race([work(inner.signal), aborted]);
  } finally {
    timer.abort();
    deadline.signal.removeEventListener('abort', onOuter);
  }
}

export interface RetryOptions {
  /** How often to try in all, at least 1. */
  readonly attempts: number;
  /** Wait before the second try, doubled each time up to `maxDelayMs`. */
  readonly delayMs: number;
  readonly maxDelayMs?: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Whether this failure may be tried again. */
  readonly when: (error: unknown) => boolean;
  /** Wait that a failure itself asks for (Retry-After), or undefined for the doubled one. */
  readonly delayOf?: (error: unknown) => number | undefined;
  readonly onRetry?: (error: unknown, attempt: number) => void;
}

/** Calls `work` until it resolves, throws something `when` rejects, or the attempts are used up (then the last error). */
export async function retry<T>(options: RetryOptions, work: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(options.signal);
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= options.attempts || options.signal.aborted || !options.when(error)) throw error;
      options.onRetry?.(error, attempt);
      const doubled = Math.min(options.delayMs * 2 ** (attempt - 1), options.maxDelayMs ?? 30_000);
      await options.clock.sleep(options.delayOf?.(error) ?? doubled, options.signal);
    }
  }
}

/** Calls `probe` every `intervalMs` until it returns something other than undefined. The caller bounds it by its signal. */
export async function poll<T>(
  options: { readonly clock: Clock; readonly signal: AbortSignal; readonly intervalMs: number },
  probe: () => Promise<T | undefined>,
): Promise<T> {
  for (;;) {
    throwIfAborted(options.signal);
    const value = await probe();
    if (value !== undefined) return value;
    await options.clock.sleep(options.intervalMs, options.signal);
  }
}

/** How long to wait for something, and how often to look. */
export interface Waiting {
  readonly timeoutMs: number;
  readonly pollMs: number;
}

/**
 * Calls `probe` until it returns something; what it throws counts as not yet where `mayPass` says so. Throws what `onTimeout` makes when the time is up.
 */
export async function pollWithin<T>(
  { timeoutMs: ms, pollMs }: Waiting,
  deadline: Omit<Deadline, 'ms'> & { readonly mayPass: (error: unknown) => boolean },
  probe: (signal: AbortSignal) => Promise<T | undefined>,
): Promise<T> {
  const { clock, mayPass } = deadline;
  return withDeadline({ ...deadline, ms }, (signal) =>
    poll({ clock, signal, intervalMs: pollMs }, async () => {
      try {
        return await probe(signal);
      } catch (error) {
        throwIfAborted(signal);
        if (!mayPass(error)) throw error;
        return undefined;
      }
    }),
  );
}
