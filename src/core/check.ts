import type { Sh } from './sh.ts';

/**
 * One assertion about the guest, made from standard output and exit status of a script that runs as root. `build` checks run
 * before the image is sealed; `boot` checks run on a fresh boot of the finished file.
 */
export interface Check {
  /** `containerd/version`: recipe and what is checked; unique in a plan. */
  readonly name: string;
  /** For people: `containerd is running`. */
  readonly title: string;
  readonly script: Sh;
  readonly expect: Expectation;
  readonly when: readonly ('build' | 'boot')[];
  /** Default 60 000. */
  readonly timeoutMs?: number;
}

export type Expectation =
  | { readonly kind: 'success' }
  /** Trimmed standard output is this text. */
  | { readonly kind: 'equals'; readonly text: string }
  /** JavaScript regular expression, multi-line, tried on standard output. */
  | { readonly kind: 'matches'; readonly pattern: string };

export interface CheckResult {
  readonly name: string;
  readonly title: string;
  readonly ok: boolean;
  /** What was wanted and what was got; for a passed check the value seen, one line. */
  readonly detail: string;
  readonly ms: number;
}
