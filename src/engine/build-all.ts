import { resolve } from 'node:path';
import pLimit from 'p-limit';
import { type BuildEvent, type Clock, cancelled, configError, KibError, systemClock } from '../core/index.ts';
import { planBuild } from '../plan/planner.ts';
import { EventQueue } from './event-queue.ts';
import type { BuildRequest, BuildResult } from './request.ts';
import { type BuildHandle, startBuild } from './start-build.ts';

type Listener = (event: BuildEvent) => void;

/** How one of several builds ended. `id` is absent when it never began, since an interruption came before its turn. */
export type SettledBuild = { readonly request: BuildRequest } & (
  | { readonly status: 'done'; readonly id: string; readonly result: BuildResult }
  | { readonly status: 'failed'; readonly id: string; readonly error: unknown }
  | { readonly status: 'not-started'; readonly id?: undefined; readonly error: KibError }
);

export interface BuildAllOptions {
  /** How many builds may run at once, at least 1. */
  readonly parallel: number;
  /** Stops the builds that run, which then clean up; the others never begin. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Called with each build before its first event; must not throw. */
  readonly onStart?: (build: BuildHandle, request: BuildRequest) => void;
  /** Called as each one ends, in the order they do; must not throw. */
  readonly onEnd?: (build: SettledBuild) => void;
}

/** Several builds under way. Iterating gives the events of all of them; `build` tells them apart. */
export interface BuildAllHandle extends AsyncIterable<BuildEvent> {
  /** In the order of the requests. Resolves when all have ended and cleaned up; never rejects. */
  readonly results: Promise<readonly SettledBuild[]>;
  /** Calls `listener` for every event of every build from now on. */
  subscribe(listener: Listener): () => void;
  /** The builds that run now. */
  running(): readonly BuildHandle[];
}

/**
 * Runs builds, some at once, from the next tick on; one that fails does not stop the others. Throws KIB_CONFIG_INVALID before anything starts when
 * two of them would write to the same folder.
 */
export function buildAll(requests: readonly BuildRequest[], options: BuildAllOptions): BuildAllHandle {
  requireDistinct(requests);
  const running = new Map<string, BuildHandle>();
  const readers = new Map<Listener, (() => void)[]>();
  const state = { isEnded: false };
  const enders = new Set<() => void>();
  const limit = pLimit(options.parallel);
  const interrupt = new Interrupt(options.signal);
  const onStart = (build: BuildHandle) => {
    running.set(build.id, build);
    for (const [listener, stops] of readers) stops.push(build.subscribe(listener));
  };
  const results = Promise.all(
    requests.map((request) =>
      limit(async () => {
        const build = await runOne(request, options, interrupt, onStart);
        if (build.id !== undefined) running.delete(build.id);
        options.onEnd?.(build);
        return build;
      }),
    ),
  ).finally(() => {
    interrupt.close();
    state.isEnded = true;
    for (const end of enders) end();
  });
  results.catch(() => {});
  const subscribe = (listener: Listener) => {
    const stops = [...running.values()].map((build) => build.subscribe(listener));
    readers.set(listener, stops);
    return () => {
      readers.delete(listener);
      for (const stop of stops) stop();
    };
  };
  return {
    results,
    subscribe,
    running: () => [...running.values()],
    [Symbol.asyncIterator]() {
      const queue = new EventQueue(() => {
        unsubscribe();
        enders.delete(end);
      });
      const unsubscribe = subscribe((event) => queue.push(event));
      const end = () => queue.end();
      enders.add(end);
      if (state.isEnded) end();
      return queue;
    },
  };
}

async function runOne(
  request: BuildRequest,
  { clock = systemClock, onStart }: BuildAllOptions,
  interrupt: Interrupt,
  started: (build: BuildHandle) => void,
): Promise<SettledBuild> {
  const signal = interrupt.newSignal();
  if (signal.aborted) return { request, status: 'not-started', error: cancelled(signal.reason) };
  const build = startBuild(request, signal, clock);
  const { id } = build;
  started(build);
  onStart?.(build, request);
  try {
    return { request, status: 'done', id, result: await build.result };
  } catch (error) {
    return { request, status: 'failed', id, error };
  }
}

/** Hands an abort on to a signal per build: Node warns of a leak when many listen to one. */
class Interrupt {
  readonly #signal: AbortSignal;
  readonly #builds: AbortController[] = [];

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  newSignal(): AbortSignal {
    const build = new AbortController();
    this.#builds.push(build);
    if (this.#signal.aborted) build.abort(this.#reason());
    return build.signal;
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    for (const build of this.#builds) build.abort(this.#reason());
  };

  /** An error of its own for each build, since what it failed of meanwhile is added to it. */
  #reason(): KibError {
    const { code, message, hint, cause } = cancelled(this.#signal.reason);
    return new KibError(code, message, { hint, cause });
  }
}

function requireDistinct(requests: readonly BuildRequest[]): void {
  const folders = requests.map(({ image, outputDir }) => resolve(outputDir, planBuild(image).name));
  const twice = new Set(folders.filter((folder, index) => folders.indexOf(folder) !== index));
  if (twice.size === 0) return;
  throw configError(
    [...twice].map((folder) => ({
      path: 'name',
      message: `two images would be written to ${folder}`,
      hint: 'give one of them a name',
    })),
  );
}
