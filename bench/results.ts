/** One stretch of a run. */
export interface Phase {
  readonly name: string;
  readonly seconds: number;
}

/** One run of one side. */
export interface Sample {
  /** `kib-native`, `Packer + Ansible`, `floor` … */
  readonly subject: string;
  readonly seconds: number;
  readonly cpuSeconds?: number;
  readonly controller?: { readonly cpuSeconds: number; readonly peakBytes: number };
  readonly phases?: readonly Phase[];
}

/** A number with the lowest and the highest it was made from. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** One goal of a scenario and what came out. */
export interface Verdict {
  /** `Packer + Ansible / kib-native`. */
  readonly what: string;
  readonly unit: '×' | 's' | '%' | 'MB';
  readonly bound: 'at least' | 'at most';
  readonly goal: number;
  readonly got: Spread;
}

/** What a scenario found; kept in results.json, from which the report is written. */
export interface Outcome {
  readonly samples: readonly Sample[];
  readonly verdicts: readonly Verdict[];
  /** What proved that fast was also right; a scenario whose proof fails throws instead. */
  readonly proofs: readonly string[];
  readonly notes?: readonly string[];
}

export function isMet({ bound, goal, got }: Verdict): boolean {
  return bound === 'at least' ? got.median >= goal : got.median <= goal;
}

/** Throws on an empty list. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined) throw new Error('no values');
  return { median: median(sorted), low, high };
}

/** Of pairs measured one after the other, so that what slows the machine down slows both. */
export function ratios(numerators: readonly number[], denominators: readonly number[]): Spread {
  return spread(numerators.map((value, index) => value / (denominators[index] ?? Number.NaN)));
}

/** Seconds of one side's runs, in order. */
export function secondsOf(samples: readonly Sample[], subject: string): readonly number[] {
  return samples.filter((sample) => sample.subject === subject).map(({ seconds }) => seconds);
}

function median(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2);
  const [a = 0, b = 0] = [sorted[middle], sorted[middle - 1]];
  return sorted.length % 2 === 1 ? a : (a + b) / 2;
}
