import pc from 'picocolors';
import { type BuildEvent, formatDuration } from '../core/index.ts';
import { LiveArea, type LiveLine } from './live-area.ts';
import { formatSeconds } from './progress.ts';
import { SpanTree } from './span-tree.ts';
import { type Colours, dimmedLine, endedLine, lastingLines, spanLine, statusMark } from './terminal-lines.ts';
import { clean, cleanLines, cut, width } from './text.ts';
import { titleColour } from './titles.ts';
import type { Ui, UiOptions } from './ui.ts';

/** Live lines of one build besides its first. */
const MAX_SPANS = 3;
const BAR_CELLS = 20;
/** Titles get no more than this part of a line. */
const TITLE_PART = 0.4;

interface RunningBuild {
  readonly title: string;
  readonly spans: SpanTree;
  readonly startedAt: number;
}

/**
 * Several builds on a terminal: one that ended stays as one line, and so do warnings and failures with the image's name in front; below them a block
 * per running build.
 */
export class TtyManyUi implements Ui {
  readonly #options: UiOptions;
  readonly #titles: readonly string[];
  readonly #colours: Colours;
  readonly #running = new Map<string, RunningBuild>();
  readonly #added = new Set<string>();
  readonly #area: LiveArea;

  constructor(options: UiOptions, titles: readonly string[]) {
    this.#options = options;
    this.#titles = titles;
    this.#colours = pc.createColors(options.colour);
    this.#area = new LiveArea(options, () => this.#live());
  }

  add(build: string, title: string): void {
    this.#running.set(build, { title, spans: new SpanTree(), startedAt: this.#options.clock.now() });
    this.#added.add(title);
  }

  read(event: BuildEvent): void {
    const build = this.#running.get(event.build);
    if (build === undefined) return;
    const span = build.spans.read(event);
    const stay = (lines: readonly string[]) => this.#area.stay(lines.map((line) => `${this.#title(build.title)}  ${line}`));
    if (event.type === 'span.end' && span?.kind === 'action' && event.status === 'failed')
      stay([endedLine(span.label, event.status, event.ms, this.#colours)]);
    stay(lastingLines(event, this.#colours));
    if (event.type === 'log' && this.#options.verbose) stay([this.#colours.dim(`│ ${clean(event.line)}`)]);
    if (event.type === 'span.end' && event.parent === undefined) this.#ended(event, build);
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

  #ended(event: BuildEvent & { readonly type: 'span.end' }, { title }: RunningBuild): void {
    this.#running.delete(event.build);
    const { error, status, ms } = event;
    const why = error === undefined || status === 'cancelled' ? '' : `${error.code ?? ''} ${cleanLines(error.message)[0] ?? ''}`;
    const text = [formatDuration(ms), status === 'cancelled' ? '(cancelled)' : why.trim()]
      .filter((part) => part !== '')
      .join('  ');
    // All of an error is told in the end.
    const room = this.#area.columns - this.#titleCells - 4;
    this.#area.stay([`${this.#title(title)}  ${statusMark(status, this.#colours)} ${cut(text, room)}`]);
  }

  #live(): readonly LiveLine[] {
    const builds = [...this.#running.values()];
    const waiting = this.#titles.filter((title) => !this.#added.has(title));
    const last = waiting.length === 0 ? [] : [this.#dim(`… waiting: ${waiting.join(', ')}`)];
    const room = this.#area.rows - last.length;
    const blocks = builds.flatMap((build) => this.#block(build));
    if (blocks.length <= room) return [...blocks, ...last];
    const lines = builds.map((build) => this.#line(build));
    if (lines.length <= room) return [...lines, ...last];
    return [...lines.slice(0, room - 1), this.#dim(`… and ${lines.length - room + 1} more`), ...last];
  }

  /** The image, how far its build is, and what is being done. */
  #block(build: RunningBuild): readonly LiveLine[] {
    const now = this.#options.clock.now();
    const { columns } = this.#area;
    const { leaves } = build.spans;
    const spans = leaves.slice(0, MAX_SPANS).map((span) => spanLine(`    ${span.label}`, span, now, columns, this.#colours));
    const rest = leaves.length > MAX_SPANS ? [this.#dim(`    … and ${leaves.length - MAX_SPANS} more`)] : [];
    return [this.#head(build, now, columns), ...spans, ...rest];
  }

  #head({ title, spans, startedAt }: RunningBuild, now: number, columns: number): LiveLine {
    const cells = this.#titleCells;
    const time = formatSeconds(now - startedAt);
    const bar = cells + BAR_CELLS + time.length + 4 > columns ? '' : progressBar(spans.fraction);
    const tail = bar === '' ? `  ${time}` : `  ${bar}  ${time}`;
    return { text: this.#title(title) + this.#colours.dim(tail), cells: cells + width(tail) };
  }

  #line({ title, spans, startedAt }: RunningBuild): LiveLine {
    const { columns } = this.#area;
    const now = this.#options.clock.now();
    const [span] = spans.leaves;
    const left = columns - this.#titleCells - 2;
    const { text, cells } =
      span === undefined ? this.#dim(formatSeconds(now - startedAt)) : spanLine(span.label, span, now, left, this.#colours);
    return { text: `${this.#title(title)}  ${text}`, cells: this.#titleCells + 2 + cells };
  }

  #title(title: string): string {
    const colour = titleColour(this.#titles.indexOf(title), this.#colours);
    const shown = cut(title, this.#titleCells);
    return colour(shown) + ' '.repeat(this.#titleCells - width(shown));
  }

  get #titleCells(): number {
    return Math.min(Math.max(...this.#titles.map(width)), Math.floor(this.#area.columns * TITLE_PART));
  }

  #dim(line: string): LiveLine {
    return dimmedLine(line, this.#area.columns, this.#colours);
  }
}

/** `━━━━━━━━────────────`; empty while it is not known how much there is to do. */
function progressBar(fraction: number | undefined): string {
  if (fraction === undefined) return '';
  const done = Math.floor(fraction * BAR_CELLS);
  return '━'.repeat(done) + '─'.repeat(BAR_CELLS - done);
}
