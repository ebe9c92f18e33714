import type { BuildEvent } from '../core/index.ts';

/** Log lines a reader may lag behind before the oldest are dropped; a slow reader must not fill the memory. */
const MAX_QUEUED_LOGS = 10_000;

/** Events on their way to one reader. */
export class EventQueue implements AsyncIterator<BuildEvent> {
  readonly #onStop: () => void;
  readonly #events: BuildEvent[] = [];
  #logs = 0;
  #isEnded = false;
  #waiting: (() => void)[] = [];

  /** `onStop` is called when the reader has read everything or wants no more. */
  constructor(onStop: () => void) {
    this.#onStop = onStop;
  }

  push(event: BuildEvent): void {
    if (event.type === 'log' && ++this.#logs > MAX_QUEUED_LOGS) {
      const oldest = this.#events.findIndex((queued) => queued.type === 'log');
      if (oldest !== -1) this.#events.splice(oldest, 1);
      this.#logs--;
    }
    this.#events.push(event);
    this.#wake();
  }

  /** No more events; those that are queued are still read. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async next(): Promise<IteratorResult<BuildEvent, undefined>> {
    while (this.#events.length === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    const event = this.#events.shift();
    if (event === undefined) {
      this.#onStop();
      return { done: true, value: undefined };
    }
    if (event.type === 'log') this.#logs--;
    return { done: false, value: event };
  }

  async return(): Promise<IteratorResult<BuildEvent, undefined>> {
    this.#events.length = 0;
    this.#onStop();
    this.end();
    return { done: true, value: undefined };
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }
}
