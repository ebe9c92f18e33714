import type { BuildEvent, SpanKind, SpanStatus } from '../core/index.ts';

/** One stretch of a build for the final table: a direct child of the build's root span. */
export interface Phase {
  readonly kind: SpanKind;
  readonly name: string;
  readonly ms: number;
  readonly status: SpanStatus;
}

/** Collects the phases of a build from its events. */
export class PhaseRecorder {
  readonly #open = new Map<number, { kind: SpanKind; name: string }>();
  readonly #phases: Phase[] = [];

  readonly read = (event: BuildEvent): void => {
    if (event.parent !== 1) return;
    if (event.type === 'span.start') this.#open.set(event.span, { kind: event.kind, name: event.name });
    if (event.type !== 'span.end') return;
    const started = this.#open.get(event.span);
    if (started !== undefined) this.#phases.push({ ...started, ms: event.ms, status: event.status });
  };

  get phases(): readonly Phase[] {
    return [...this.#phases];
  }
}
