import { width } from '../../src/ui/text.ts';

// A control sequence (ESC [ …), or any one character.
const TOKEN = new RegExp(String.raw`${'\u001b'}\[(?<parameters>[?\d;]*)(?<final>[A-Za-z])|(?<character>[^])`, 'gu');

/** A terminal of so many columns, as far as the tty reader needs one: wraps, moves up, erases lines, hides the cursor. */
export class Screen {
  readonly columns: number;
  #rows: string[] = [''];
  #row = 0;
  #column = 0;
  #isCursorVisible = true;
  /** How often something was written. */
  writes = 0;

  constructor(columns = 80) {
    this.columns = columns;
  }

  get isCursorVisible(): boolean {
    return this.#isCursorVisible;
  }

  /** What stands on the screen and scrolled off it, without blank rows at the end. */
  get text(): string {
    return this.#rows.join('\n').trimEnd();
  }

  write(text: string): void {
    this.writes++;
    const tokens = text.matchAll(TOKEN);
    for (const { groups = {} } of tokens) {
      if (groups['final'] === undefined) this.#put(groups['character'] ?? '');
      else this.#control(groups['parameters'] ?? '', groups['final']);
    }
  }

  #control(parameters: string, final: string): void {
    if (final === 'm') return;
    if (final === 'A') this.#row = Math.max(0, this.#row - Number(parameters || '1'));
    else if (`${parameters}${final}` === '2K') this.#rows[this.#row] = '';
    else if (parameters === '?25') this.#isCursorVisible = final === 'h';
    else throw new Error(`the screen does not know CSI ${parameters}${final}`);
  }

  #put(character: string): void {
    if (character === '\r') this.#column = 0;
    else if (character === '\n') this.#newRow();
    else if (/\p{Cc}/u.test(character)) throw new Error(`control character ${JSON.stringify(character)} on the screen`);
    else {
      if (this.#column + width(character) > this.columns) this.#newRow();
      const row = this.#rows[this.#row] ?? '';
      this.#rows[this.#row] = row.slice(0, this.#column) + character;
      this.#column += width(character);
    }
  }

  #newRow(): void {
    this.#row++;
    this.#column = 0;
    if (this.#row === this.#rows.length) this.#rows.push('');
  }
}
