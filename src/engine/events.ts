import {
  type BuildEvent,
  type Clock,
  type EventBody,
  errorMessage,
  isKibError,
  type Span,
  type SpanStatus,
} from '../core/index.ts';

type Listener = (event: BuildEvent) => void;

/** Log lines an iterator may lag behind before the oldest are dropped; a slow reader must not fill the memory. */
const MAX_QUEUED_LOGS = 10_000;

/**
 * The events of one build. Listeners are called at once and in order; iterators have a queue of their own. Texts pass through
 * `redact` first, so that no reader ever sees a secret.
 */
export class EventStream implements AsyncIterable<BuildEvent> {
  readonly root: Span;
  readonly #build: string;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  readonly #enders = new Set<() => void>();
  #redact: (text: string) => string = (text) => text;
  #sequence = 0;
  #spans = 1;
  #closed = false;

  constructor(build: string, clock: Clock) {
    this.#build = build;
    this.#clock = clock;
    this.root = this.#span(1, undefined);
  }

  /** Calls `listener` for every event from now on; returns how to stop it. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sets what hides secrets in later events. */
  redactWith(redact: (text: string) => string): void {
    this.#redact = redact;
  }

  /** Ends all iterators. Later events are dropped. */
  close(): void {
    this.#closed = true;
    for (const end of this.#enders) end();
  }

  [Symbol.asyncIterator](): AsyncIterator<BuildEvent> {
    const queue: BuildEvent[] = [];
    let queuedLogs = 0;
    let ended = this.#closed;
    let wake: (() => void) | undefined;
    const unsubscribe = this.subscribe((event) => {
      if (event.type === 'log' && ++queuedLogs > MAX_QUEUED_LOGS) {
        const oldest = queue.findIndex((queued) => queued.type === 'log');
        if (oldest !== -1) queue.splice(oldest, 1);
        queuedLogs--;
      }
      queue.push(event);
      wake?.();
    });
    const end = () => {
      ended = true;
      wake?.();
    };
    this.#enders.add(end);
    const stop = () => {
      unsubscribe();
      this.#enders.delete(end);
    };
    return {
      next: async () => {
        while (queue.length === 0 && !ended) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const event = queue.shift();
        if (event === undefined) {
          stop();
          return { done: true, value: undefined };
        }
        if (event.type === 'log') queuedLogs--;
        return { done: false, value: event };
      },
      return: async () => {
        stop();
        return { done: true, value: undefined };
      },
    };
  }

  #publish(span: number, parent: number | undefined, body: EventBody): void {
    if (this.#closed) return;
    const event: BuildEvent = {
      v: 1,
      seq: ++this.#sequence,
      time: new Date(this.#clock.now()).toISOString(),
      build: this.#build,
      span,
      ...(parent === undefined ? {} : { parent }),
      ...this.#clean(body),
    };
    for (const listener of this.#listeners) listener(event);
  }

  #clean(body: EventBody): EventBody {
    if (body.type === 'log') return { ...body, line: this.#redact(body.line) };
    if (body.type === 'warning') return { ...body, message: this.#redact(body.message) };
    if (body.type === 'check') return { ...body, result: { ...body.result, detail: this.#redact(body.result.detail) } };
    if (body.type === 'span.end' && body.error !== undefined) {
      return { ...body, error: { ...body.error, message: this.#redact(body.error.message) } };
    }
    return body;
  }

  #span(id: number, parent: number | undefined): Span & { status: SpanStatus } {
    const emit = (body: EventBody) => this.#publish(id, parent, body);
    const span: Span & { status: SpanStatus } = {
      id,
      status: 'ok',
      emit,
      mark: (status) => {
        span.status = status;
      },
      progress: (done, total, unit) => emit({ type: 'span.progress', done, ...(total === undefined ? {} : { total }), unit }),
      note: (text) => emit({ type: 'span.note', text }),
      log: (stream, line) => emit({ type: 'log', stream, line }),
      warn: (code, message, hint) => emit({ type: 'warning', code, message, ...(hint === undefined ? {} : { hint }) }),
      run: async (kind, name, work) => {
        const child = this.#span(++this.#spans, id);
        const started = this.#clock.now();
        const end = (status: SpanStatus, error?: unknown) =>
          child.emit({
            type: 'span.end',
            status,
            ms: this.#clock.now() - started,
            ...(error === undefined
              ? {}
              : { error: { message: errorMessage(error), ...(isKibError(error) ? { code: error.code } : {}) } }),
          });
        child.emit({ type: 'span.start', kind, name });
        try {
          const result = await work(child);
          end(child.status);
          return result;
        } catch (error) {
          end(isKibError(error) && error.class === 'cancelled' ? 'cancelled' : 'failed', error);
          throw error;
        }
      },
    };
    return span;
  }
}
