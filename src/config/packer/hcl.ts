import { undent, unescaped } from './hcl-text.ts';
import { type HclAttribute, type HclBlock, type HclBody, HclError, type HclValue } from './hcl-value.ts';

const IDENTIFIER = /[\p{ID_Start}_][\p{ID_Continue}-]*/uy;
const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
/** No honest file comes near this; the parser is recursive. */
const MAX_DEPTH = 100;

/** Parses a file: blocks and attributes, in their order. Throws HclError. */
export function parseHcl(text: string): HclBody {
  return new Parser(text).file();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  file(): HclBody {
    const body = this.#body();
    if (this.#at < this.#text.length) throw new HclError('a } closes nothing', this.#at);
    return body;
  }

  #body(): HclBody {
    const attributes: HclAttribute[] = [];
    const blocks: HclBlock[] = [];
    for (this.#space(true); this.#at < this.#text.length && this.#peek() !== '}'; this.#space(true)) {
      const offset = this.#at;
      const name = this.#identifier();
      this.#space(false);
      if (this.#peek() === '=') {
        this.#at++;
        this.#space(false);
        attributes.push({ name, value: this.#expression('\n}'), offset });
        this.#space(false);
        if (this.#at < this.#text.length && !'\n\r}'.includes(this.#peek()))
          throw new HclError('wants a new line here', this.#at);
      } else blocks.push(this.#block(name, offset));
    }
    return { attributes, blocks };
  }

  #block(type: string, offset: number): HclBlock {
    const labels: string[] = [];
    while (this.#peek() !== '{') {
      if (this.#peek() !== '"' && this.#ahead(IDENTIFIER) === '') throw new HclError(`wants = or { after ${type}`, this.#at);
      labels.push(this.#peek() === '"' ? this.#label() : this.#identifier());
      this.#space(false);
    }
    return { type, labels, body: this.#nested(() => this.#braces()), offset };
  }

  #braces(): HclBody {
    const open = this.#at++;
    const body = this.#body();
    if (this.#peek() !== '}') throw new HclError('has no closing }', open);
    this.#at++;
    return body;
  }

  #label(): string {
    const value = this.#string();
    if (value.kind !== 'literal') throw new HclError('a label cannot hold an expression', value.offset);
    return String(value.value);
  }

  /** An expression up to one of `stops` outside brackets, which is left there. */
  #expression(stops: string): HclValue {
    const offset = this.#at;
    const value = this.#nested(() => this.#primary());
    const end = this.#at;
    this.#space(false);
    if (value !== undefined && (this.#at >= this.#text.length || `${stops}\r`.includes(this.#peek()))) {
      this.#at = end;
      return value;
    }
    this.#at = offset;
    this.#skip(stops);
    const code = this.#text.slice(offset, this.#at).trim();
    if (code === '') throw new HclError('wants a value here', offset);
    return { kind: 'code', text: code, offset };
  }

  /** A value that can be understood, or undefined where it takes an evaluator. */
  #primary(): HclValue | undefined {
    const offset = this.#at;
    const first = this.#peek();
    if (first === '"') return this.#string();
    if (this.#text.startsWith('<<', offset)) return this.#heredoc();
    if (first === '[') return this.#comprehends() ? undefined : { kind: 'list', items: this.#list(), offset };
    if (first === '{') return this.#comprehends() ? undefined : { kind: 'map', entries: this.#map(), offset };
    const word = /^[^\s,\]})(#/=?:*+!<>&|%]+/.exec(this.#text.slice(offset, offset + 200))?.[0] ?? '';
    this.#at += word.length;
    if (NUMBER.test(word)) return { kind: 'literal', value: Number(word), offset };
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true', offset };
    if (word === 'null') return { kind: 'literal', value: null, offset };
    const reference = /^(var|local)\.([\w-]+)$/.exec(word);
    if (reference === null) return undefined;
    return { kind: 'reference', scope: reference[1] === 'var' ? 'var' : 'local', name: reference[2] ?? '', offset };
  }

  // `[for x in …]` and `{for …}` take an evaluator.
  #comprehends(): boolean {
    return /^[[{]\s*for\s/.test(this.#text.slice(this.#at, this.#at + 100));
  }

  #list(): readonly HclValue[] {
    const open = this.#at++;
    const items: HclValue[] = [];
    for (this.#space(true); this.#peek() !== ']'; this.#space(true)) {
      if (this.#at >= this.#text.length) throw new HclError('has no closing ]', open);
      items.push(this.#expression(',]\n'));
      this.#space(true);
      if (this.#at >= this.#text.length) throw new HclError('has no closing ]', open);
      if (this.#peek() === ',') this.#at++;
      else if (this.#peek() !== ']') throw new HclError('wants , or ] here', this.#at);
    }
    this.#at++;
    return items;
  }

  #map(): readonly (readonly [string, HclValue])[] {
    const open = this.#at++;
    const entries: (readonly [string, HclValue])[] = [];
    for (this.#space(true); this.#peek() !== '}'; this.#space(true)) {
      if (this.#at >= this.#text.length) throw new HclError('has no closing }', open);
      const key = this.#peek() === '"' ? this.#label() : this.#identifier();
      this.#space(false);
      if (this.#peek() !== '=' && this.#peek() !== ':') throw new HclError(`wants = after ${key}`, this.#at);
      this.#at++;
      this.#space(false);
      entries.push([key, this.#expression(',}\n')]);
      this.#space(false);
      if (this.#peek() === ',') this.#at++;
    }
    this.#at++;
    return entries;
  }

  #string(): HclValue {
    const offset = this.#at++;
    const end = this.#stringEnd(offset);
    const value = this.#template(offset + 1, end - 1, true, offset);
    this.#at = end;
    return value;
  }

  #heredoc(): HclValue {
    const offset = this.#at;
    const head = /^<<(-?)([\w-]+)[ \t]*\r?\n/.exec(this.#text.slice(offset, offset + 200));
    if (head === null) throw new HclError('wants a name and a new line after <<', offset);
    const [whole, dash, name = ''] = head;
    const start = offset + whole.length;
    const close = new RegExp(`^[ \\t]*${name}[ \\t]*\\r?$`, 'm').exec(this.#text.slice(start));
    if (close === null) throw new HclError(`has no line ${name}`, offset);
    this.#at = start + close.index + close[0].replace(/\r$/, '').length;
    const value = this.#template(start, start + close.index, false, offset);
    return dash === '-' ? undent(value) : value;
  }

  /** Text between two places with its `${…}`. */
  #template(start: number, end: number, escapes: boolean, offset: number): HclValue {
    const parts: (string | HclValue)[] = [];
    let text = '';
    for (let at = start; at < end; ) {
      if (this.#text.startsWith('$${', at) || this.#text.startsWith('%%{', at)) {
        text += this.#text.slice(at + 1, at + 3);
        at += 3;
      } else if (this.#text.startsWith('${', at) || this.#text.startsWith('%{', at)) {
        const close = this.#closing(at + 1);
        parts.push(text, this.#inner(at, close));
        text = '';
        at = close + 1;
      } else if (escapes && this.#text[at] === '\\') {
        const [letter, length] = unescaped(this.#text.slice(at, Math.min(at + 10, end)), at);
        text += letter;
        at += length;
      } else text += this.#text.charAt(at++);
    }
    if (parts.length === 0) return { kind: 'literal', value: text, offset };
    return { kind: 'template', parts: [...parts, text].filter((part) => part !== ''), offset };
  }

  #inner(start: number, close: number): HclValue {
    const code = this.#text
      .slice(start + 2, close)
      .replace(/^~/, '')
      .replace(/~$/, '')
      .trim();
    if (this.#text[start] === '%') return { kind: 'code', text: this.#text.slice(start, close + 1), offset: start };
    const reference = /^(var|local)\.([\w-]+)$/.exec(code);
    if (reference === null) return { kind: 'code', text: code, offset: start };
    return { kind: 'reference', scope: reference[1] === 'var' ? 'var' : 'local', name: reference[2] ?? '', offset: start };
  }

  /** Goes on to one of `stops` outside of everything that nests. */
  #skip(stops: string): void {
    while (this.#at < this.#text.length && !stops.includes(this.#peek())) {
      const letter = this.#peek();
      if (letter === '"') this.#at = this.#stringEnd(this.#at);
      else if (letter === '#' || this.#text.startsWith('//', this.#at)) return;
      else if (CLOSING[letter] !== undefined) this.#at = this.#closing(this.#at) + 1;
      else this.#at++;
    }
  }

  /** Where the bracket at `open` is closed. */
  #closing(open: number): number {
    const outer = this.#at;
    const close = CLOSING[this.#text.charAt(open)] ?? '}';
    this.#at = open + 1;
    this.#nested(() => this.#skip(close));
    while (this.#at < this.#text.length && this.#peek() !== close) {
      this.#comment();
      this.#skip(close);
    }
    const at = this.#at;
    this.#at = outer;
    if (at >= this.#text.length) throw new HclError(`has no closing ${close}`, open);
    return at;
  }

  #stringEnd(open: number): number {
    for (let at = open + 1; at < this.#text.length; at++) {
      const letter = this.#text[at];
      if (letter === '"') return at + 1;
      if (letter === '\n') break;
      if (letter === '\\') at++;
      else if (this.#text.startsWith('$${', at) || this.#text.startsWith('%%{', at)) at += 2;
      else if (this.#text.startsWith('${', at) || this.#text.startsWith('%{', at)) at = this.#closing(at + 1);
    }
    throw new HclError('has no closing "', open);
  }

  #identifier(): string {
    const name = this.#ahead(IDENTIFIER);
    if (name === '') throw new HclError(this.#at >= this.#text.length ? 'ends too early' : 'wants a name here', this.#at);
    this.#at += name.length;
    return name;
  }

  #ahead(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    pattern.lastIndex = 0;
    return found;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #space(lines: boolean): void {
    for (;;) {
      while (this.#at < this.#text.length && (lines ? ' \t\r\n\uFEFF' : ' \t').includes(this.#peek())) this.#at++;
      if (!this.#comment()) return;
    }
  }

  /** Skips a comment, its line feed left; returns whether there was one. */
  #comment(): boolean {
    if (this.#text.startsWith('/*', this.#at)) {
      const end = this.#text.indexOf('*/', this.#at + 2);
      if (end < 0) throw new HclError('has no closing */', this.#at);
      this.#at = end + 2;
      return true;
    }
    if (this.#peek() !== '#' && !this.#text.startsWith('//', this.#at)) return false;
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end;
    return true;
  }

  #nested<T>(work: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new HclError('is nested too deeply', this.#at);
    const result = work();
    this.#depth--;
    return result;
  }
}
