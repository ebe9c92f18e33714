import { formatBytes, formatDuration } from '../core/index.ts';

/** How far back the rate looks. */
const RATE_WINDOW_MS = 5000;

/** What a span last said about how far it is; keeps what the rate of transfers is made from. */
export class Progress {
  #done = 0;
  #total: number | undefined;
  #unit: 'bytes' | 'actions' | 'percent' | 'ms' = 'percent';
  #samples: { readonly at: number; readonly done: number }[] = [];

  update(
    progress: { readonly done: number; readonly total?: number; readonly unit: 'bytes' | 'actions' | 'percent' | 'ms' },
    at: number,
  ): void {
    this.#done = progress.done;
    this.#total = progress.total;
    this.#unit = progress.unit;
    // Of the samples outside the window one stays, so that there is always something to measure from.
    const outside = this.#samples.filter((sample) => sample.at < at - RATE_WINDOW_MS).slice(-1);
    this.#samples = [
      ...outside,
      ...this.#samples.filter((sample) => sample.at >= at - RATE_WINDOW_MS),
      { at, done: progress.done },
    ];
  }

  /** 0 to 100, when a total is known. */
  get percent(): number | undefined {
    if (this.#unit === 'percent') return this.#done;
    return this.#total === undefined || this.#total <= 0 ? undefined : Math.min(100, (this.#done / this.#total) * 100);
  }

  /** `120.0 MiB of 430.5 MiB · 12.0 MiB/s · 26 s left`, `3 of 12`, `42 %`. */
  describe(now: number): string {
    if (this.#unit === 'percent') return `${Math.floor(this.#done)} %`;
    if (this.#unit === 'bytes') return this.#transfer(now);
    return this.#of(this.#unit === 'ms' ? formatSeconds : String);
  }

  #of(format: (value: number) => string): string {
    return this.#total === undefined ? format(this.#done) : `${format(this.#done)} of ${format(this.#total)}`;
  }

  #transfer(now: number): string {
    const parts = [this.#of(formatBytes)];
    const [first] = this.#samples;
    // Under a second nothing can be said about the rate, and with nothing moving nothing about the end.
    if (first !== undefined && now - first.at >= 1000) {
      const rate = ((this.#done - first.done) / (now - first.at)) * 1000;
      parts.push(`${formatBytes(Math.round(rate))}/s`);
      const left = (this.#total ?? this.#done) - this.#done;
      if (rate > 0 && left > 0) parts.push(`${formatSeconds((left / rate) * 1000)} left`);
    }
    return parts.join(' · ');
  }
}

/** A duration for lines that are redrawn: whole seconds. */
export function formatSeconds(ms: number): string {
  return ms < 60_000 ? `${Math.floor(ms / 1000)} s` : formatDuration(Math.floor(ms / 1000) * 1000);
}
