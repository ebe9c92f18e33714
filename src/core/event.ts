import type { Artifact, RemoteImage } from './artifact.ts';
import type { CheckResult } from './check.ts';

export type SpanKind = 'build' | 'fetch' | 'boot' | 'layer' | 'action' | 'check' | 'seal' | 'export' | 'verify' | 'cleanup';
export type SpanStatus = 'ok' | 'failed' | 'cached' | 'skipped' | 'cancelled';
export type LogStream = 'guest' | 'console' | 'host';

/** What happened, without the envelope. New members may be added; existing ones keep their meaning within `v`. */
export type EventBody =
  | { readonly type: 'plan'; readonly layers: readonly string[]; readonly actions: number; readonly checks: number }
  | { readonly type: 'span.start'; readonly kind: SpanKind; readonly name: string }
  | {
      readonly type: 'span.progress';
      readonly done: number;
      readonly total?: number;
      readonly unit: 'bytes' | 'actions' | 'percent' | 'ms';
    }
  | { readonly type: 'span.note'; readonly text: string }
  | {
      readonly type: 'span.end';
      readonly status: SpanStatus;
      readonly ms: number;
      readonly error?: { readonly code?: string; readonly message: string };
    }
  | { readonly type: 'log'; readonly stream: LogStream; readonly line: string }
  | { readonly type: 'warning'; readonly code: string; readonly message: string; readonly hint?: string }
  /** The first layer that has to be made, and what differs from the closest one in the cache: `- old`, `+ new` lines. */
  | { readonly type: 'cache.miss'; readonly layer: string; readonly reason: string; readonly diff: readonly string[] }
  | { readonly type: 'resource'; readonly action: 'acquired' | 'released' | 'leaked'; readonly kind: string; readonly id: string }
  | { readonly type: 'check'; readonly result: CheckResult }
  | { readonly type: 'artifact'; readonly artifact: Artifact }
  | { readonly type: 'image'; readonly image: RemoteImage };

/** One line of events.ndjson and of `--json`. `seq` counts from 1 without gaps; `time` is ISO 8601 UTC. */
export type BuildEvent = {
  readonly v: 1;
  readonly seq: number;
  readonly time: string;
  readonly build: string;
  /** Span the event belongs to; the root span is 1. */
  readonly span: number;
  readonly parent?: number;
} & EventBody;

/** A stretch of work that events belong to. Made by `run`, which ends it whatever happens. */
export interface Span {
  readonly id: number;
  /** Runs `work` in a child span; its end carries ok, or failed/cancelled with the error, which is thrown on. */
  run<T>(kind: SpanKind, name: string, work: (span: Span) => Promise<T>): Promise<T>;
  /** Makes the end of this span say `cached` or `skipped` instead of `ok`. */
  mark(status: 'cached' | 'skipped'): void;
  progress(done: number, total: number | undefined, unit: 'bytes' | 'actions' | 'percent' | 'ms'): void;
  /** What is being done right now, for the live line: `kernel · 12 s`. */
  note(text: string): void;
  log(stream: LogStream, line: string): void;
  warn(code: string, message: string, hint?: string): void;
  emit(event: EventBody): void;
}
