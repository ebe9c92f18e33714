import { NdjsonUi } from './ndjson.ts';
import { PlainUi } from './plain.ts';
import { TtyUi } from './tty.ts';
import { TtyManyUi } from './tty-many.ts';
import type { Ui, UiOptions } from './ui.ts';

export { type ReportedBuild, renderReport } from './report.ts';
export type { Output, Ui, UiOptions } from './ui.ts';

/** The reader of build events that fits the mode. */
export function createUi(options: UiOptions): Ui {
  if (options.mode === 'json') return new NdjsonUi(options);
  if (options.mode === 'plain') return new PlainUi(options);
  const { titles = [] } = options;
  return titles.length > 1 ? new TtyManyUi(options, titles) : new TtyUi(options);
}
