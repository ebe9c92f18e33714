import { appendFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { type Clock, throwIfAborted } from '../../src/core/index.ts';
import { type EsxiShell, failedAs } from './shell.ts';
import { type PowerState, powerState } from './vm.ts';

const POLL_MS = 500;
/** How long the host may not answer before a machine counts as lost. */
const LOST_MS = 60_000;
const BLOCK = 4096;

export interface Watched {
  readonly shell: EsxiShell;
  readonly vmid: string;
  /** File of the host that the serial port writes to, and file of this host that it is copied to. */
  readonly console: string;
  readonly consolePath: string;
  readonly clock: Clock;
}

/** How a machine ended, or why nobody knows. */
export type WatchEnd =
  | { readonly kind: 'off'; readonly state: Exclude<PowerState, 'on'> }
  | { readonly kind: 'lost'; readonly error: unknown };

/** Looks at a machine again and again, and copies what its console has become longer by. */
export class MachineWatch implements AsyncDisposable {
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
    const { clock, shell, vmid } = this.#watched;
    const { signal } = this.#stop;
    let answeredAt = clock.now();
    for (;;) {
      try {
        const state = await powerState(shell, vmid, signal);
        await this.#copy();
        answeredAt = clock.now();
        if (state !== 'on') return { kind: 'off', state };
      } catch (error) {
        throwIfAborted(signal);
        if (clock.now() - answeredAt >= LOST_MS) return { kind: 'lost', error };
      }
      await clock.sleep(POLL_MS, signal);
    }
  }

  // dd is what every shell has; it counts in blocks, so the first one may come a second time.
  async #copy(): Promise<void> {
    const { shell, console, consolePath } = this.#watched;
    const skip = Math.floor(this.#copied / BLOCK);
    const chunks: Buffer[] = [];
    const collected = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
    try {
      await shell.stream(['dd', `if=${console}`, `bs=${BLOCK}`, `skip=${skip}`], collected, this.#stop.signal);
    } catch (error) {
      // Before the first byte there may be no file.
      if (failedAs(error, 'not-found') && this.#copied === 0) return;
      throw error;
    }
    const fresh = Buffer.concat(chunks).subarray(this.#copied - skip * BLOCK);
    if (fresh.length === 0) return;
    await appendFile(consolePath, fresh);
    this.#copied += fresh.length;
  }
}
