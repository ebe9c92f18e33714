import { stat } from 'node:fs/promises';
import { type Clock, throwIfAborted } from '../../src/core/index.ts';
import { type DomainState, domainState, isOff } from './domain.ts';
import type { Virsh } from './virsh.ts';

const POLL_MS = 500;
/** How long libvirt may not answer before a machine counts as lost. */
const LOST_MS = 60_000;

export interface Watched {
  readonly virsh: Virsh;
  readonly name: string;
  /** Pool and name of the volume that the serial port writes to. */
  readonly pool: string;
  readonly console: string;
  /** File of this host that it is copied to. */
  readonly consolePath: string;
  readonly clock: Clock;
}

/** How a machine ended, or why nobody knows. */
export type WatchEnd = { readonly kind: 'off'; readonly state: DomainState } | { readonly kind: 'lost'; readonly error: unknown };

/**
 * Looks at a domain twice a second, and copies what its console has become longer by. The console is read through libvirt, as a volume: on most
 * hosts the file is root's, and a user of libvirt may not open it.
 */
export class DomainWatch implements AsyncDisposable {
  /** Resolves when the machine is off, after the end of its console was copied. Never rejects. */
  readonly ended: Promise<WatchEnd>;
  readonly #watched: Watched;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #copied = 0;
  #hasEnded = false;

  constructor(watched: Watched) {
    this.#watched = watched;
    let end: (end: WatchEnd) => void = () => {};
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

  async #follow(end: (end: WatchEnd) => void): Promise<void> {
    try {
      const last = await this.#run();
      this.#hasEnded = true;
      end(last);
    } catch {
      // Stopped: nothing more is known, and nobody asks.
      this.#hasEnded = true;
    }
  }

  async #run(): Promise<WatchEnd> {
    const { clock, virsh, name } = this.#watched;
    const { signal } = this.#stop;
    let answeredAt = clock.now();
    for (;;) {
      try {
        const state = await domainState(virsh, name, signal);
        await this.#copy();
        answeredAt = clock.now();
        if (isOff(state) || isStuck(state)) return { kind: 'off', state };
      } catch (error) {
        throwIfAborted(signal);
        if (clock.now() - answeredAt >= LOST_MS) return { kind: 'lost', error };
      }
      await clock.sleep(POLL_MS, signal);
    }
  }

  async #copy(): Promise<void> {
    const { virsh, pool, console, consolePath } = this.#watched;
    const args = ['vol-download', '--pool', pool, '--offset', String(this.#copied), console];
    // What an aborted or broken copy has already written is not asked for again.
    try {
      await virsh.receive(args, consolePath, this.#stop.signal, 'append');
    } finally {
      this.#copied = await sizeOf(consolePath);
    }
  }
}

// A guest whose disk cannot be written is paused for good; ours are never paused by us.
function isStuck({ state, reason }: DomainState): boolean {
  return state === 'paused' && /I\/O error|crashed|panicked|watchdog/i.test(reason);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}
