import type { UiOptions } from './ui.ts';

/** Redraws are at least this far apart. */
const FRAME_MS = 100;

// ECMA-48 control functions: erase the line, cursor up; DEC private mode 25 is the cursor. Line by line, since tmux keeps a screen that
// is erased from its top in its history.
const ERASE_LINE = '\x1b[2K';
const erase = (rows: number) => `\r${ERASE_LINE}${`\x1b[A${ERASE_LINE}`.repeat(rows)}`;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/** A line that is drawn anew again and again: as it is written, and the cells it takes. */
export interface LiveLine {
  readonly text: string;
  readonly cells: number;
}

/**
 * The bottom of a terminal: lines that stay scroll up above lines that are redrawn in place. Between redraws text is only collected, so that a
 * flood of events costs ten writes a second.
 */
export class LiveArea {
  readonly #options: Pick<UiOptions, 'stderr' | 'columns' | 'rows' | 'clock'>;
  readonly #render: () => readonly LiveLine[];
  readonly #stop = new AbortController();
  /** Lines to stay that are not written yet. */
  #pending: string[] = [];
  /** Widths of the live lines on the screen; the cursor stands below the last one. */
  #drawn: readonly number[] = [];
  #frame = '';
  #isCursorHidden = false;
  #suspended = 0;

  /** `render` gives the live lines as they are now; it is called for every frame. */
  constructor(options: Pick<UiOptions, 'stderr' | 'columns' | 'rows' | 'clock'>, render: () => readonly LiveLine[]) {
    this.#options = options;
    this.#render = render;
    void this.#tick();
  }

  /** One cell less than there is: a full last column makes some terminals wrap early. */
  get columns(): number {
    return Math.max(19, (this.#options.columns?.() ?? 80) - 1);
  }

  /** Lines that may live: what scrolled off the top could not be erased. One is left for the cursor, one for what stays. */
  get rows(): number {
    return Math.max(3, (this.#options.rows?.() ?? 24) - 2);
  }

  stay(lines: readonly string[]): void {
    this.#pending.push(...lines);
  }

  /** Like `stay`, also after the end. */
  say(text: string): void {
    this.stay([text]);
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
        if (this.#suspended === 0) this.#draw(this.#render());
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  /** Writes what stays and replaces the live lines, in one write; nothing when nothing changed. */
  #draw(live: readonly LiveLine[]): void {
    const frame = live.map((line) => `${line.text}\n`).join('');
    const stay = this.#pending.map((line) => `${line}\n`).join('');
    if (frame === this.#frame && stay === '') return;
    // A narrower window has broken the old lines into several rows.
    const rows = this.#drawn.reduce((sum, cells) => sum + Math.max(1, Math.ceil(cells / (this.columns + 1))), 0);
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
}
