import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

const ESC = String.fromCharCode(27);
/** Firmware menus and GRUB place text by moving the cursor; each such move begins a line. */
const CURSOR_MOVE = new RegExp(`${ESC}\\[\\d*(?:;\\d*)?[Hf]`, 'g');
/** Any control sequence (ECMA-48 §5.4). Node's stripper does not know EDK II's `ESC [ = 3 h` and systemd's `ESC [ ! p`. */
const CONTROL_SEQUENCE = new RegExp(`${ESC}\\[[0-?]*[ -/]*[@-~]`, 'g');
const CONTROL = /(?!\t)\p{Cc}/gu;
const LINE_END = /\r*\n|\r/;

/** Ends of lines that a program leaves open while it waits: `debian login: `, `grub> `, `(or press Control-D to continue): `. */
const PROMPT = /[:>#$?)] ?$/;

/** Turns the bytes of a serial console into lines of plain text. */
export class ConsoleText {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  /** The lines that these bytes complete; empty ones are left out. */
  push(bytes: Buffer): readonly string[] {
    const pieces = (this.#rest + this.#decoder.write(bytes)).replaceAll(CURSOR_MOVE, '\n').split(LINE_END);
    this.#rest = pieces.pop() ?? '';
    return pieces.map(plain).filter((line) => line !== '');
  }

  /** Takes the unfinished line when it looks like a prompt; call it when nothing more has come for a while. */
  prompt(): readonly string[] {
    return PROMPT.test(plain(this.#rest)) ? this.end() : [];
  }

  /** Takes the unfinished line. */
  end(): readonly string[] {
    const line = plain(this.#rest);
    this.#rest = '';
    return line === '' ? [] : [line];
  }
}

function plain(text: string): string {
  return stripVTControlCharacters(text.replaceAll(CONTROL_SEQUENCE, '')).replaceAll(CONTROL, '').trimEnd();
}
