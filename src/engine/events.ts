import {
  type BuildEvent,
  type Clock,
  type EventBody,
  errorMessage,
  isKibError,
  maskUrls,
  redactor,
  type Secret,
  type Span,
  type SpanStatus,
} from '../core/index.ts';
import { EventQueue } from './event-queue.ts';

type Listener = (event: BuildEvent) => void;

/** Members of events that hold free text; the others are numbers and words of ours. */
const TEXT_MEMBERS = new Set(['name', 'layers', 'text', 'line', 'message', 'hint', 'id', 'title', 'detail', 'reason', 'diff']);

/**
 * The events of one build. Listeners are called at once and in order; one that throws is dropped with a warning, since a full log
 * disk must not break the build. Iterators have a queue of their own. No reader sees the login or query of a URL.
 */
export class EventStream implements AsyncIterable<BuildEvent> {
  readonly root: Span;
  readonly #build: string;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  readonly #enders = new Set<() => void>();
  readonly #warned = new Set<string>();
  #hide: (text: string) => string = (text) => text;
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

  /** From now on no reader sees these values. */
  hide(secrets: readonly Secret[]): void {
    this.#hide = redactor(secrets);
  }

  /** Ends all iterators. Later events are dropped. */
  close(): void {
    this.#closed = true;
    for (const end of this.#enders) end();
  }

  [Symbol.asyncIterator](): AsyncIterator<BuildEvent> {
    const queue = new EventQueue(() => {
      unsubscribe();
      this.#enders.delete(end);
    });
    const unsubscribe = this.subscribe((event) => queue.push(event));
    const end = () => queue.end();
    this.#enders.add(end);
    if (this.#closed) end();
    return queue;
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
      ...(maskTexts(body, (text) => maskUrls(this.#hide(text))) as EventBody),
    };
    const failures: unknown[] = [];
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#listeners.delete(listener);
        failures.push(error);
      }
    }
    for (const error of failures) {
      this.root.warn('KIB_READER', `a reader of the build's events failed and gets no more of them: ${errorMessage(error)}`);
    }
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
      warn: (code, message, hint) => {
        // Said once a build, however many machines it boots.
        if (this.#warned.has(`${code} ${message}`)) return;
        this.#warned.add(`${code} ${message}`);
        emit({ type: 'warning', code, message, ...(hint === undefined ? {} : { hint }) });
      },
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

/** The value with its text members masked, at any depth. */
function maskTexts(value: unknown, mask: (text: string) => string, isText = false): unknown {
  if (typeof value === 'string') return isText ? mask(value) : value;
  if (Array.isArray(value)) return value.map((item: unknown) => maskTexts(item, mask, isText));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, maskTexts(member, mask, TEXT_MEMBERS.has(key))]));
}
