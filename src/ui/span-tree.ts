import type { BuildEvent, SpanKind } from '../core/index.ts';
import { Progress } from './progress.ts';
import { clean } from './text.ts';

/** Log lines kept per span, to show what a failing one said. */
const TAIL_LINES = 40;

/** A span that is under way. */
export interface OpenSpan {
  readonly id: number;
  readonly parent: OpenSpan | undefined;
  readonly kind: SpanKind;
  /** `[7/31] kubernetes · install kubelet`, `export qcow2`. */
  readonly label: string;
  /** Whether it is a direct child of the build. */
  readonly isPhase: boolean;
  readonly startedAt: number;
  progress: Progress | undefined;
  note: string;
  /** Its last log lines, clean. */
  readonly tail: string[];
}

/** What is going on in a build, kept up to date from its events. */
export class SpanTree {
  readonly #open = new Map<number, OpenSpan>();
  #actions = 0;
  #endedActions = 0;
  #totalActions: number | undefined;
  #isUnwinding = false;

  /** Takes in an event; returns the span it belongs to, also when the event ends it. Undefined for the build itself. */
  read(event: BuildEvent): OpenSpan | undefined {
    if (event.type === 'plan') this.#totalActions = event.actions;
    if (event.type === 'span.start' && event.parent !== undefined) this.#start(event, event.parent);
    const span = this.#open.get(event.span);
    if (span === undefined) return undefined;
    if (event.type === 'span.progress') {
      span.progress ??= new Progress();
      span.progress.update(event, Date.parse(event.time));
    } else if (event.type === 'span.note') {
      span.note = clean(event.text);
    } else if (event.type === 'log') {
      span.tail.push(clean(event.line));
      if (span.tail.length > TAIL_LINES) span.tail.shift();
    } else if (event.type === 'span.end') {
      this.#open.delete(event.span);
      if (span.kind === 'action') this.#endedActions++;
      if (span.isPhase && (event.status === 'failed' || event.status === 'cancelled')) this.#isUnwinding = true;
    }
    return span;
  }

  /** The spans where work is being done right now: those without open children, oldest first. */
  get leaves(): readonly OpenSpan[] {
    const parents = new Set([...this.#open.values()].map((span) => span.parent));
    return [...this.#open.values()].filter((span) => !parents.has(span));
  }

  /** How much of the plan's actions is done, 0 to 1; undefined before the plan is known. */
  get fraction(): number | undefined {
    return this.#totalActions === undefined || this.#totalActions === 0
      ? undefined
      : Math.min(1, this.#endedActions / this.#totalActions);
  }

  /** Whether a phase went wrong, so that what still happens is clearing up. */
  get isUnwinding(): boolean {
    return this.#isUnwinding;
  }

  #start(event: BuildEvent & { readonly type: 'span.start' }, parentId: number): void {
    const parent = this.#open.get(parentId);
    this.#open.set(event.span, {
      id: event.span,
      parent,
      kind: event.kind,
      label: this.#label(event.kind, clean(event.name), parent),
      isPhase: parentId === 1,
      startedAt: Date.parse(event.time),
      progress: undefined,
      note: '',
      tail: [],
    });
  }

  #label(kind: SpanKind, name: string, parent: OpenSpan | undefined): string {
    if (kind === 'export') return `export ${name}`;
    if (kind !== 'action') return name;
    this.#actions++;
    const of = this.#totalActions === undefined ? '' : `/${this.#totalActions}`;
    return `[${this.#actions}${of}] ${parent === undefined ? '' : `${parent.label} · `}${name}`;
  }
}
