import { tmpdir } from 'node:os';
import type { KibError } from '../core/index.ts';
import { filesBelow, processesWith } from './leftovers.ts';
import { type TestContext, type TestContextOptions, testContext } from './test-context.ts';

/** What a driver has left of a build. */
export interface Leftovers {
  readonly journal: readonly unknown[];
  readonly processes: readonly string[];
  readonly work: readonly string[];
  readonly temporary: readonly string[];
  /** What the hypervisor has of it, by name: domains, volumes. */
  readonly elsewhere: readonly string[];
}

/** Names of what the hypervisor has of a build. */
export type Remains = (buildId: string) => readonly string[];

const NOWHERE: Remains = () => [];

/** What aborted work threw, and what was there then and after the build's scope was done. */
export interface Outcome {
  readonly code: string;
  readonly suppressed: readonly unknown[];
  readonly atThrow: Leftovers;
  readonly atEnd: Leftovers;
}

export const NOTHING: Leftovers = { journal: [], processes: [], work: [], temporary: [], elsewhere: [] };
export const CANCELLED: Outcome = { code: 'KIB_CANCELLED', suppressed: [], atThrow: NOTHING, atEnd: NOTHING };

export async function leftovers(context: TestContext, remains: Remains = NOWHERE): Promise<Leftovers> {
  return {
    journal: context.journal.held,
    processes: processesWith(context.buildId),
    work: filesBelow(context.dirs.work),
    temporary: filesBelow(tmpdir()).filter((name) => name.includes(context.buildId)),
    elsewhere: remains(context.buildId),
  };
}

/**
 * Does `work` again and again, aborted at the first, second, third … point, until it gets through; tells how each try ended. One that failed of something
 * else is the last: the next would only fail the same way, for ever.
 */
export async function fuzz(
  stopAt: (n: number) => TestContextOptions,
  work: (context: TestContext) => Promise<void>,
  remains: Remains = NOWHERE,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let n = 1; ; n++) {
    const outcome = await attempt(stopAt(n), work, remains);
    if (outcome === undefined) return outcomes;
    outcomes.push(outcome);
    if (outcome.code !== CANCELLED.code) return outcomes;
  }
}

async function attempt(
  options: TestContextOptions,
  work: (context: TestContext) => Promise<void>,
  remains: Remains,
): Promise<Outcome | undefined> {
  await using context = await testContext(options);
  try {
    await work(context);
    return undefined;
  } catch (error) {
    const atThrow = await leftovers(context, remains);
    const { code: got = '', message = String(error), suppressed = [] } = error as Partial<KibError>;
    // What should not have happened says more.
    const code = got === CANCELLED.code ? got : `${got} ${message}`;
    await context.scope[Symbol.asyncDispose]();
    return { code, suppressed, atThrow, atEnd: await leftovers(context, remains) };
  }
}

/**
 * Aborts after some milliseconds, the longer the higher `n` is: later by a quarter each time, so that all tries together take five times as long as
 * the work, however busy the host is.
 */
export function atMoment(n: number, factor = 1.25): TestContextOptions & { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(Math.round(4 * factor ** (n - 1))) };
}

/** Aborts at the n-th line of the journal. */
export function atJournalLine(line: number): TestContextOptions {
  const abort = new AbortController();
  let seen = 0;
  const onJournal = (): void => {
    seen += 1;
    if (seen === line) abort.abort(new Error(`stopped at journal line ${line}`));
  };
  return { signal: abort.signal, onJournal };
}
