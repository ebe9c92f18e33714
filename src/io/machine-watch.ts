import { type Clock, throwIfAborted } from '../core/index.ts';

const POLL_MS = 500;
/** How long a hypervisor may not answer before a machine counts as lost. */
const LOST_MS = 60_000;

/** A machine that only its hypervisor can be asked about. `S` is how it ends. */
export interface Watched<S> {
  /** How it has ended; undefined while it runs. */
  readonly look: (signal: AbortSignal) => Promise<S | undefined>;
  /** Brings what its console has become longer by. */
  readonly copyConsole: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  /** Time between two looks, in milliseconds. Default: 500. */
  readonly pollMs?: number;
}

/** How a machine ended, or why nobody knows. */
export type WatchEnd<S> = { readonly kind: 'off'; readonly state: S } | { readonly kind: 'lost'; readonly error: unknown };

/** Looks at a machine again and again, and copies its console as it grows. */
export class MachineWatch<S> implements AsyncDisposable {
  /** Resolves when the machine is off, after the end of its console was copied. Never rejects. */
  readonly ended: Promise<WatchEnd<S>>;
  readonly #watched: Watched<S>;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #hasEnded = false;

  constructor(watched: Watched<S>) {
    this.#watched = watched;
    let end: (end: WatchEnd<S>) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#loop = this.#follow(end);
  }

  /** Whether nothing more will be copied. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Waits for the end, at most `ms` and until `signal` aborts; says whether it came. */
  async endsWithin(ms: number, signal: AbortSignal): Promise<boolean> {
    const timer = new AbortController();
    try {
      const timeout = this.#watched.clock.sleep(ms, AbortSignal.any([timer.signal, signal])).then(
        () => false,
        () => false,
      );
      return await Promise.race([this.ended.then(() => true), timeout]);
    } finally {
      timer.abort();
    }
  }

  /** Stops looking; the machine is left as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the watch is over'));
    await this.#loop;
  }

  async #follow(end: (end: WatchEnd<S>) => void): Promise<void> {
    try {
      const last = await this.#run();
      this.#hasEnded = true;
      end(last);
    } catch {
      // Stopped: nothing more is known, and nobody asks.
      this.#hasEnded = true;
    }
  }

  async #run(): Promise<WatchEnd<S>> {
    const { clock, look, copyConsole, pollMs = POLL_MS } = this.#watched;
    const { signal } = this.#stop;
    let answeredAt = clock.now();
    for (;;) {
      try {
        const state = await look(signal);
        await copyConsole(signal);
        answeredAt = clock.now();
        if (state !== undefined) return { kind: 'off', state };
      } catch (error) {
        throwIfAborted(signal);
        if (clock.now() - answeredAt >= LOST_MS) return { kind: 'lost', error };
      }
      await clock.sleep(pollMs, signal);
    }
  }
}
