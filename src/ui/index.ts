import { NdjsonUi } from './ndjson.ts';
import { PlainUi } from './plain.ts';
import { TtyUi } from './tty.ts';
import type { Ui, UiOptions } from './ui.ts';

export { type ReportedBuild, renderReport } from './report.ts';
export type { Output, Ui, UiOptions } from './ui.ts';

/** The reader of build events that fits the mode. */
export function createUi(options: UiOptions): Ui {
  if (options.mode === 'json') return new NdjsonUi(options);
  return options.mode === 'tty' ? new TtyUi(options) : new PlainUi(options);
}
