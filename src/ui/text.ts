import { stripSequences } from '../core/index.ts';

/**
 * One line of somebody else's output (guest, console, host program) as harmless text: no escape sequences, no control or
 * direction characters, and of a line that overwrote itself by carriage returns only the last state.
 */
export function clean(line: string): string {
  const states = stripSequences(line.replaceAll('\t', ' ')).split('\r');
  const last = states.reverse().find((state) => state.trim() !== '') ?? '';
  return last.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, '').trimEnd();
}

/** The lines of a message, each clean; blank ones are left out. */
export function cleanLines(text: string): string[] {
  return text
    .split('\n')
    .map(clean)
    .filter((line) => line !== '');
}

/** How many terminal cells a clean text takes. */
export function width(text: string): number {
  let cells = 0;
  for (const character of text) cells += cellsOf(character);
  return cells;
}

/** The text, cut to so many cells; what was cut ends in an ellipsis. */
export function cut(text: string, cells: number): string {
  if (width(text) <= cells) return text;
  let out = '';
  let used = 1;
  for (const character of text) {
    used += cellsOf(character);
    if (used > cells) break;
    out += character;
  }
  return cells < 1 ? '' : `${out}…`;
}

/** The text with blanks up to so many cells. */
export function pad(text: string, cells: number): string {
  return text + ' '.repeat(Math.max(0, cells - width(text)));
}

// Two cells: emoji, and the East Asian wide blocks of Unicode's EastAsianWidth.txt (UAX #11).
const WIDE =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /[\p{Mn}\p{Me}]/u;

function cellsOf(character: string): number {
  if (character < '\u0300') return 1;
  if (NO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
