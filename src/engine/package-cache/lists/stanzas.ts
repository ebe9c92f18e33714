const NEWLINE = 0x0a;
const BLANK = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** Takes the stanzas of a package list (deb822(5)) out of its bytes as they come, without making text of them. */
export class StanzaSplitter {
  readonly #take: (stanza: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `take` gets each stanza with its last newline and without the empty line after it; its bytes are valid during the call only. */
  constructor(take: (stanza: Buffer) => void) {
    this.#take = take;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf('\n\n', start); end !== -1; end = bytes.indexOf('\n\n', start)) {
      this.#give(bytes.subarray(start, end + 1));
      start = end + 2;
    }
    this.#rest = Buffer.from(bytes.subarray(start));
  }

  end(): void {
    this.#give(this.#rest);
    this.#rest = Buffer.alloc(0);
  }

  /** More than one empty line between two leaves newlines in front. */
  #give(bytes: Buffer): void {
    let start = 0;
    while (bytes[start] === NEWLINE) start++;
    if (start < bytes.length) this.#take(bytes.subarray(start));
  }
}

/** Calls `take` for every field of a stanza, with where its name and its value stand; the value goes on over lines that begin with a blank. */
export function eachField(
  stanza: Buffer,
  take: (stanza: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number) => void,
): void {
  for (let start = 0; start < stanza.length; ) {
    let end = lineEnd(stanza, start);
    while (stanza[end + 1] === BLANK || stanza[end + 1] === TAB) end = lineEnd(stanza, end + 1);
    const colon = stanza.indexOf(COLON, start);
    if (colon !== -1 && colon < end) take(stanza, start, colon, colon + 1, end);
    start = end + 1;
  }
}

function lineEnd(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(NEWLINE, from);
  return at === -1 ? bytes.length : at;
}
