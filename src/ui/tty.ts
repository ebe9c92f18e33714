import pc from 'picocolors';
import { type BuildEvent, formatDuration, type SpanStatus } from '../core/index.ts';
import { formatSeconds } from './progress.ts';
import { type OpenSpan, SpanTree } from './span-tree.ts';
import { clean, cleanLines, cut, pad, width } from './text.ts';
import type { Ui, UiOptions } from './ui.ts';

/** Redraws are at least this far apart. */
const FRAME_MS = 100;
/** Spans that get a live line; the area must fit on a small terminal. */
const MAX_LIVE = 8;
/** Log lines below the live line when only one thing is going on. */
const LOG_LINES = 3;
/** Names of finished phases are padded to this, so that their times stand in a column. */
const NAME_CELLS = 36;

// ECMA-48 control functions: erase the line, cursor up; DEC private mode 25 is the cursor. Line by line, since tmux keeps a screen that
// is erased from its top in its history.
const ERASE_LINE = '\x1b[2K';
const erase = (rows: number) => `\r${ERASE_LINE}${`\x1b[A${ERASE_LINE}`.repeat(rows)}`;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/**
 * A terminal: finished phases, warnings and failures stay as lines; below them what is being done now, redrawn in place. Between
 * redraws text is only collected, so that a flood of events costs ten writes a second.
 */
export class TtyUi implements Ui {
  readonly #options: UiOptions;
  readonly #colours: ReturnType<typeof pc.createColors>;
  readonly #spans = new SpanTree();
  readonly #stop = new AbortController();
  /** Lines to stay that are not written yet. */
  #pending: string[] = [];
  /** Widths of the live lines on the screen; the cursor stands below the last one. */
  #drawn: readonly number[] = [];
  #frame = '';
  #isCursorHidden = false;
  #suspended = 0;

  constructor(options: UiOptions) {
    this.#options = options;
    this.#colours = pc.createColors(options.colour);
    void this.#tick();
  }

  read(event: BuildEvent): void {
    const span = this.#spans.read(event);
    if (event.type === 'span.end' && span !== undefined) this.#ended(span, event.status, event.ms);
    if (event.type === 'warning') this.#warn(event.message, event.hint);
    if (event.type === 'resource' && event.action === 'leaked')
      this.#warn(`could not be cleaned up: ${event.id}`, 'kib-native gc');
    if (event.type === 'check' && !event.result.ok) {
      this.#stay(`${this.#colours.red('✗')} ${clean(event.result.title)}: ${cleanLines(event.result.detail).join(' ')}`);
    }
    if (event.type === 'log' && this.#options.verbose) this.#stay(this.#colours.dim(`  │ ${clean(event.line)}`));
  }

  say(text: string): void {
    this.#stay(text);
    if (this.#stop.signal.aborted) this.#draw([]);
  }

  suspend(): () => void {
    this.#draw([]);
    this.#showCursor();
    this.#suspended++;
    let isResumed = false;
    return () => {
      if (!isResumed) this.#suspended--;
      isResumed = true;
    };
  }

  close(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#draw([]);
    this.#showCursor();
  }

  async #tick(): Promise<void> {
    const { clock } = this.#options;
    try {
      for (;;) {
        await clock.sleep(FRAME_MS, this.#stop.signal);
        if (this.#suspended === 0) this.#draw(this.#live());
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  #ended(span: OpenSpan, status: SpanStatus, ms: number): void {
    if (!span.isPhase && (span.kind !== 'action' || status !== 'failed')) return;
    const { green, red, yellow, dim } = this.#colours;
    const mark = { ok: green('✓'), cached: green('✓'), skipped: dim('-'), failed: red('✗'), cancelled: yellow('✗') }[status];
    const remark = status === 'ok' || status === 'failed' ? '' : ` ${dim(`(${status})`)}`;
    this.#stay(`${mark} ${pad(span.label, NAME_CELLS)}  ${dim(formatDuration(ms).padStart(12))}${remark}`);
  }

  #warn(message: string, hint: string | undefined): void {
    const [first = '', ...more] = cleanLines(message);
    this.#stay(`${this.#colours.yellow('!')} ${first}`);
    for (const line of more) this.#stay(`  ${line}`);
    for (const line of cleanLines(hint ?? '')) this.#stay(this.#colours.dim(`  ${line}`));
  }

  #stay(line: string): void {
    this.#pending.push(line);
  }

  #live(): { readonly text: string; readonly cells: number }[] {
    const columns = this.#columns;
    const now = this.#options.clock.now();
    const { leaves } = this.#spans;
    const lines = leaves.slice(0, MAX_LIVE).map((span) => {
      const details = [span.progress?.describe(now), span.note, formatSeconds(now - span.startedAt)];
      const right = `  ${details.filter((text) => text !== undefined && text !== '').join(' · ')}`;
      const left = cut(`  ${span.label}`, Math.max(columns - width(right), Math.floor(columns / 2)));
      const tail = cut(right, columns - width(left));
      return { text: left + this.#colours.dim(tail), cells: width(left) + width(tail) };
    });
    const [only, another] = leaves;
    if (only !== undefined && another === undefined && !this.#options.verbose) {
      for (const line of only.tail.slice(-LOG_LINES)) lines.push(this.#dimmed(`    ${line}`));
    }
    if (leaves.length > MAX_LIVE) lines.push(this.#dimmed(`  … and ${leaves.length - MAX_LIVE} more`));
    return lines;
  }

  #dimmed(line: string): { text: string; cells: number } {
    const text = cut(line, this.#columns);
    return { text: this.#colours.dim(text), cells: width(text) };
  }

  /** Writes what stays and replaces the live lines, in one write; nothing when nothing changed. */
  #draw(live: readonly { readonly text: string; readonly cells: number }[]): void {
    const frame = live.map((line) => `${line.text}\n`).join('');
    const stay = this.#pending.map((line) => `${line}\n`).join('');
    if (frame === this.#frame && stay === '') return;
    // A narrower window has broken the old lines into several rows.
    const rows = this.#drawn.reduce((sum, cells) => sum + Math.max(1, Math.ceil(cells / (this.#columns + 1))), 0);
    const hide = this.#isCursorHidden || live.length === 0 ? '' : HIDE_CURSOR;
    if (hide !== '') this.#isCursorHidden = true;
    this.#options.stderr.write(`${hide}${erase(rows)}${stay}${frame}`);
    this.#pending = [];
    this.#drawn = live.map((line) => line.cells);
    this.#frame = frame;
  }

  #showCursor(): void {
    if (!this.#isCursorHidden) return;
    this.#options.stderr.write(SHOW_CURSOR);
    this.#isCursorHidden = false;
  }

  /** One cell less than there is: a full last column makes some terminals wrap early. */
  get #columns(): number {
    return Math.max(19, (this.#options.columns?.() ?? 80) - 1);
  }
}
