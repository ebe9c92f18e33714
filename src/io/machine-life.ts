import { type ConsoleReader, KibError, throwIfAborted } from '../core/index.ts';
import type { MachineParts } from './machine-parts.ts';
import type { MachineWatch, WatchEnd } from './machine-watch.ts';

/** What the life of a machine is made of. */
export interface Living<S> {
  readonly parts: MachineParts;
  readonly watch: MachineWatch<S>;
  readonly console: ConsoleReader;
  /** What to throw when it ends although nobody wanted it to. */
  readonly unwanted: (end: WatchEnd<S>) => unknown;
}

export interface PowerOff<S> {
  readonly graceMs: number;
  readonly signal: AbortSignal;
  /** Asks the guest to power off and waits; says whether the machine is off. */
  readonly ask: () => Promise<boolean>;
  /** Whether the guest itself did it. */
  readonly isClean: (state: S) => boolean;
  /** What a guest must have to do as it is asked. */
  readonly hint: string;
}

/** From running to powered off, thrown away or left to the user: what core/machine.ts says of a machine that is watched. */
export class MachineLife<S> implements AsyncDisposable {
  /** See RunningMachine. */
  readonly exited: Promise<never>;
  readonly #living: Living<S>;
  #state: 'running' | 'stopping' | 'stopped' | 'released' = 'running';

  constructor(living: Living<S>) {
    this.#living = living;
    this.exited = this.#untilUnwanted();
    // Nobody has to watch it.
    this.exited.catch(() => {});
  }

  /** See RunningMachine: returns once the machine is cleanly off and only its disk is left. */
  async shutdown({ graceMs, signal, ask, isClean, hint }: PowerOff<S>): Promise<void> {
    throwIfAborted(signal);
    const { parts, watch, console, unwanted } = this.#living;
    this.#state = 'stopping';
    if (!(await ask())) {
      throwIfAborted(signal);
      const tail = await console.tail(5);
      await this[Symbol.asyncDispose]();
      throw new KibError('KIB_SHUTDOWN', `the guest did not power off within ${graceMs / 1000} s of being asked to`, {
        hint,
        details: { console: tail },
      });
    }
    const end = await watch.ended;
    if (end.kind === 'lost' || !isClean(end.state)) throw unwanted(end);
    this.#state = 'stopped';
    await parts.running[Symbol.asyncDispose]();
  }

  /** See RunningMachine. `letGo` lets this process end although the machine runs on. */
  async release(letGo: () => Promise<void>): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'released';
    const { parts, watch } = this.#living;
    parts.abandon();
    await watch[Symbol.asyncDispose]();
    await letGo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A released machine is the user's, and a stopped one's disk belongs to what shutdown returned.
    if (this.#state === 'released' || this.#state === 'stopped') return;
    this.#state = 'stopping';
    await this.#living.parts[Symbol.asyncDispose]();
  }

  async #untilUnwanted(): Promise<never> {
    const end = await this.#living.watch.ended;
    if (this.#state === 'running') throw this.#living.unwanted(end);
    return new Promise<never>(() => {});
  }
}
