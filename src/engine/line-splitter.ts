import { StringDecoder } from 'node:string_decoder';
import { redactor, type Secret } from '../core/index.ts';

/** A line longer than this is handed on in pieces, so that binary output cannot fill the memory. */
const MAX_LINE = 8192;

/**
 * Cuts output into lines for people. Of a line drawn over and over with carriage returns (progress bars) only the last picture is
 * kept; bytes that are not UTF-8 become U+FFFD.
 */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: (line: string) => void;
  readonly #hide: (text: string) => string;
  readonly #longest: number;
  #rest = '';

  /** `secrets` are hidden in what is handed on, also where a long line is cut. */
  constructor(onLine: (line: string) => void, secrets: readonly Secret[] = []) {
    this.#onLine = onLine;
    this.#hide = redactor(secrets);
    this.#longest = Math.max(0, ...secrets.map((secret) => secret.reveal().length));
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line);
    this.#rest = rest.length - this.#longest > MAX_LINE ? this.#emitMost(rest) : rest;
  }

  /** Hands on an unfinished last line. */
  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#emit(rest);
  }

  /** Returns the end, which may be the beginning of a secret. */
  #emitMost(rest: string): string {
    const text = this.#hide(rest);
    const end = Math.max(0, text.length - this.#longest);
    this.#emit(text.slice(0, end));
    return text.slice(end);
  }

  #emit(line: string): void {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    this.#onLine(this.#hide(text.slice(text.lastIndexOf('\r') + 1)));
  }
}
