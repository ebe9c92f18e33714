import pc from 'picocolors';
import type { BuildEvent } from '../core/index.ts';
import { LiveArea, type LiveLine } from './live-area.ts';
import { SpanTree } from './span-tree.ts';
import { type Colours, dimmedLine, endedLine, lastingLines, spanLine } from './terminal-lines.ts';
import { clean } from './text.ts';
import type { Ui, UiOptions } from './ui.ts';

/** Spans that get a live line; the area must fit on a small terminal. */
const MAX_LIVE = 8;
/** Log lines below the live line when only one thing is going on. */
const LOG_LINES = 3;

/** One build on a terminal: finished phases, warnings and failures stay as lines; below them what is being done now. */
export class TtyUi implements Ui {
  readonly #options: UiOptions;
  readonly #colours: Colours;
  readonly #spans = new SpanTree();
  readonly #area: LiveArea;

  constructor(options: UiOptions) {
    this.#options = options;
    this.#colours = pc.createColors(options.colour);
    this.#area = new LiveArea(options, () => this.#live());
  }

  add(): void {}

  read(event: BuildEvent): void {
    const span = this.#spans.read(event);
    if (event.type === 'span.end' && span !== undefined) {
      const isWorthALine = span.isPhase || (span.kind === 'action' && event.status === 'failed');
      if (isWorthALine) this.#area.stay([endedLine(span.label, event.status, event.ms, this.#colours)]);
    }
    this.#area.stay(lastingLines(event, this.#colours));
    if (event.type === 'log' && this.#options.verbose) this.#area.stay([this.#colours.dim(`  │ ${clean(event.line)}`)]);
  }

  say(text: string): void {
    this.#area.say(text);
  }

  suspend(): () => void {
    return this.#area.suspend();
  }

  close(): void {
    this.#area.close();
  }

  #live(): readonly LiveLine[] {
    const { columns } = this.#area;
    const now = this.#options.clock.now();
    const { leaves } = this.#spans;
    const lines = leaves.slice(0, MAX_LIVE).map((span) => spanLine(`  ${span.label}`, span, now, columns, this.#colours));
    const [only, another] = leaves;
    if (only !== undefined && another === undefined && !this.#options.verbose) {
      for (const line of only.tail.slice(-LOG_LINES)) lines.push(dimmedLine(`    ${line}`, columns, this.#colours));
    }
    if (leaves.length > MAX_LIVE) lines.push(dimmedLine(`  … and ${leaves.length - MAX_LIVE} more`, columns, this.#colours));
    return lines;
  }
}
