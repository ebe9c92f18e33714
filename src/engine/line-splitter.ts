import { StringDecoder } from 'node:string_decoder';

/** A line longer than this is handed on in pieces, so that binary output cannot fill the memory. */
const MAX_LINE = 8192;

/**
 * Cuts output into lines for people. Of a line drawn over and over with carriage returns (progress bars) only the last picture is
 * kept; bytes that are not UTF-8 become U+FFFD.
 */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line);
    this.#rest = rest.length > MAX_LINE ? '' : rest;
    if (rest.length > MAX_LINE) this.#emit(rest);
  }

  /** Hands on an unfinished last line. */
  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#emit(rest);
  }

  #emit(line: string): void {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    this.#onLine(text.slice(text.lastIndexOf('\r') + 1));
  }
}
