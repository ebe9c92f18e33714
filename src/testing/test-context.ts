import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BuildDirs,
  type Clock,
  type Context,
  type EventBody,
  type Journal,
  type Resource,
  Scope,
  type Span,
  systemClock,
} from '../core/index.ts';

/** A journal in memory: `held` is what was acquired and not yet released, oldest first. */
export class MemoryJournal implements Journal {
  readonly entries: { readonly action: 'acquired' | 'released'; readonly resource: Resource }[] = [];
  #held: Resource[] = [];
  readonly #onEntry: (() => void) | undefined;

  constructor(onEntry?: () => void) {
    this.#onEntry = onEntry;
  }

  get held(): readonly Resource[] {
    return this.#held;
  }

  async acquire(resource: Resource): Promise<() => Promise<void>> {
    this.#note('acquired', resource);
    this.#held.push(resource);
    await Promise.resolve();
    return async () => {
      this.#note('released', resource);
      this.#held = this.#held.filter((other) => other !== resource);
      await Promise.resolve();
    };
  }

  #note(action: 'acquired' | 'released', resource: Resource): void {
    this.entries.push({ action, resource });
    this.#onEntry?.();
  }
}

/** A span that writes every event of itself and its children into `events`. */
export class RecordingSpan implements Span {
  readonly id: number;
  readonly events: EventBody[];

  constructor(events: EventBody[] = [], id = 1) {
    this.events = events;
    this.id = id;
  }

  async run<T>(kind: Parameters<Span['run']>[0], name: string, work: (span: Span) => Promise<T>): Promise<T> {
    this.emit({ type: 'span.start', kind, name });
    let status: 'ok' | 'failed' = 'failed';
    try {
      const result = await work(new RecordingSpan(this.events, this.id + 1));
      status = 'ok';
      return result;
    } finally {
      this.emit({ type: 'span.end', status, ms: 0 });
    }
  }

  mark(status: 'cached' | 'skipped'): void {
    this.emit({ type: 'span.end', status, ms: 0 });
  }

  progress(done: number, total: number | undefined, unit: 'bytes' | 'actions' | 'percent' | 'ms'): void {
    this.emit({ type: 'span.progress', done, unit, ...(total === undefined ? {} : { total }) });
  }

  note(text: string): void {
    this.emit({ type: 'span.note', text });
  }

  log(stream: 'guest' | 'console' | 'host', line: string): void {
    this.emit({ type: 'log', stream, line });
  }

  warn(code: string, message: string, hint?: string): void {
    this.emit({ type: 'warning', code, message, ...(hint === undefined ? {} : { hint }) });
  }

  emit(event: EventBody): void {
    this.events.push(event);
  }
}

export interface TestContext extends Context, AsyncDisposable {
  readonly journal: MemoryJournal;
  readonly span: RecordingSpan;
  /** Everything `span` was told, in order. */
  readonly events: readonly EventBody[];
  /** Parent of `dirs`; removed when the context is disposed. */
  readonly root: string;
  /** Aborts `signal`. */
  abort(reason?: unknown): void;
}

export interface TestContextOptions {
  /** Default: the real one. */
  readonly clock?: Clock;
  readonly buildId?: string;
  /** Instead of one that `abort` aborts. */
  readonly signal?: AbortSignal;
  /** Kept between contexts; default: a folder of its own. */
  readonly cache?: string;
  /** Called at every journal line, before it is written. */
  readonly onJournal?: () => void;
}

let count = 0;

/** A context for tests, its folders below the system's temporary folder. Dispose it: the scope goes first, then the folders. */
export async function testContext(options: TestContextOptions = {}): Promise<TestContext> {
  const root = await mkdtemp(join(tmpdir(), 'kib-test-'));
  const dirs: BuildDirs = { work: join(root, 'work'), logs: join(root, 'logs'), cache: options.cache ?? join(root, 'cache') };
  for (const dir of Object.values(dirs) as string[]) await mkdir(dir, { recursive: true });
  const controller = new AbortController();
  const span = new RecordingSpan();
  const scope = new Scope();
  return {
    buildId: options.buildId ?? `test-${process.pid}-${++count}`,
    signal: options.signal ?? controller.signal,
    clock: options.clock ?? systemClock,
    span,
    events: span.events,
    scope,
    journal: new MemoryJournal(options.onJournal),
    dirs,
    root,
    abort: (reason = new Error('aborted by the test')) => controller.abort(reason),
    async [Symbol.asyncDispose]() {
      try {
        await scope[Symbol.asyncDispose]();
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    },
  };
}
