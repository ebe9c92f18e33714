import type { Span } from '../../src/core/index.ts';

/** A span that a test ends. */
export interface OpenSpan {
  readonly span: Span;
  /** Resolves when the span has ended; with an error it fails. */
  end(error?: Error): Promise<void>;
}

/** A span that is open until `end` is called. */
export function openSpan(parent: Span, kind: Parameters<Span['run']>[0], name: string): OpenSpan {
  const state: { span?: Span; finish?: (error?: Error) => void } = {};
  const running = Promise.allSettled([
    parent.run(kind, name, (span) => {
      state.span = span;
      return new Promise<void>((resolve, reject) => {
        state.finish = (error) => (error === undefined ? resolve() : reject(error));
      });
    }),
  ]);
  const { span, finish } = state;
  if (span === undefined || finish === undefined) throw new Error('the span did not start');
  return {
    span,
    async end(error) {
      finish(error);
      await running;
    },
  };
}
