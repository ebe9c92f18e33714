import { eachField } from './stanzas.ts';

/** Fields by what they say, in lower case since field names may be written either way (deb822(5)). */
const NAME = 'package';
const OFFERS = 'provides';
const NEEDS = ['depends', 'pre-depends'];
/** What apt wants on every machine, installed already or not. */
const ALWAYS = ['essential', 'important'];
const FIELDS = [NAME, OFFERS, ...NEEDS, ...ALWAYS].map((name) => ({ name, bytes: Buffer.from(name) }));
/** Letters of ASCII are in lower case with it, and a hyphen stays what it is. */
const LOWER = 0x20;

const COMMA = 0x2c;
const BAR = 0x7c;
/** FNV-1a, 32 bits. */
const BASIS = 0x811c9dc5 | 0;
const PRIME = 0x01000193;

/** Words before a package's names: whether it is essential, how many names it has or provides, how many it needs. Its own name comes first. */
const HEAD = 3;

/** Numbers of 32 bits in a row that grows. */
class Words {
  words = new Int32Array(1 << 10);
  length = 0;

  push(word: number): void {
    if (this.length === this.words.length) this.#grow(1);
    this.words[this.length++] = word;
  }

  append(more: Words): void {
    if (this.length + more.length > this.words.length) this.#grow(more.length);
    this.words.set(more.words.subarray(0, more.length), this.length);
    this.length += more.length;
  }

  #grow(more: number): void {
    const words = new Int32Array(Math.max(this.words.length * 2, this.length + more));
    words.set(this.words);
    this.words = words;
  }
}

/**
 * What the packages of some lists are called and need. Names are kept as 32-bit hashes, so that all of Debian takes some megabytes; two names with
 * one hash only mean a package too many. Adding a package leaves nothing for the garbage collector, which would let memory grow first.
 */
export class PackageGraph {
  readonly #all = new Words();
  readonly #own = new Words();
  readonly #offers = new Words();
  readonly #needs = new Words();
  #isEssential = false;
  #packages = 0;

  /** How many packages there are. */
  get size(): number {
    return this.#packages;
  }

  /** Adds one stanza of a list; packages count from 0 in the order they are added. */
  add(stanza: Buffer): void {
    this.#own.length = 0;
    this.#offers.length = 0;
    this.#needs.length = 0;
    this.#isEssential = false;
    eachField(stanza, this.#readField);
    this.#all.push(this.#isEssential ? 1 : 0);
    this.#all.push(this.#own.length + this.#offers.length);
    this.#all.push(this.#needs.length);
    this.#all.append(this.#own);
    this.#all.append(this.#offers);
    this.#all.append(this.#needs);
    this.#packages++;
  }

  readonly #readField = (stanza: Buffer, nameStart: number, nameEnd: number, start: number, end: number): void => {
    const field = fieldAt(stanza, nameStart, nameEnd);
    if (field === undefined) return;
    if (field === NAME) hashNames(stanza, start, end, this.#own);
    else if (field === OFFERS) hashNames(stanza, start, end, this.#offers);
    else if (NEEDS.includes(field)) hashNames(stanza, start, end, this.#needs);
    else if (ALWAYS.includes(field)) this.#isEssential ||= /^\s*yes\s*$/i.test(stanza.toString('latin1', start, end));
  };

  /**
   * The packages that have or provide one of the names, those that these can need, and so on; alternatives count as needed. One flag for each package, in
   * their order. Recommended packages are not followed, nor are conflicts: a package in neither the selection nor the system cannot matter to them.
   */
  select(names: Iterable<string>): Uint8Array {
    const { words } = this.#all;
    const wanted = new Set([...names].map(hashText));
    const selected = new Uint8Array(this.#packages);
    // As many rounds as chains of needs are long, ten or so.
    for (let before = -1; before !== wanted.size; ) {
      before = wanted.size;
      for (let at = 0, index = 0; index < this.#packages; index++) {
        const firstNeed = at + HEAD + (words[at + 1] ?? 0);
        const next = firstNeed + (words[at + 2] ?? 0);
        if (selected[index] === 0 && (words[at] === 1 || this.#hasAny(wanted, at + HEAD, firstNeed))) {
          selected[index] = 1;
          wanted.add(words[at + HEAD] ?? 0);
          for (let need = firstNeed; need < next; need++) wanted.add(words[need] ?? 0);
        }
        at = next;
      }
    }
    return selected;
  }

  /** Those of the names that no package has or provides. */
  missing(names: readonly string[]): readonly string[] {
    const { words } = this.#all;
    const left = new Set(names.map(hashText));
    for (let at = 0, index = 0; index < this.#packages; index++) {
      const firstNeed = at + HEAD + (words[at + 1] ?? 0);
      for (let name = at + HEAD; name < firstNeed; name++) left.delete(words[name] ?? 0);
      at = firstNeed + (words[at + 2] ?? 0);
    }
    return names.filter((name) => left.has(hashText(name)));
  }

  #hasAny(wanted: ReadonlySet<number>, start: number, end: number): boolean {
    const { words } = this.#all;
    for (let at = start; at < end; at++) if (wanted.has(words[at] ?? 0)) return true;
    return false;
  }
}

/** Which field's name stands there, if it is one that matters. */
function fieldAt(stanza: Buffer, start: number, end: number): string | undefined {
  for (const { name, bytes } of FIELDS) if (bytes.length === end - start && isField(stanza, start, bytes)) return name;
  return undefined;
}

function isField(stanza: Buffer, start: number, name: Buffer): boolean {
  for (let at = 0; at < name.length; at++) if (((stanza[start + at] ?? 0) | LOWER) !== name[at]) return false;
  return true;
}

function hashText(name: string): number {
  const found = new Words();
  const bytes = Buffer.from(name, 'latin1');
  hashNames(bytes, 0, bytes.length, found);
  return found.words[0] ?? 0;
}

/** Hashes of the names in a relationship field, `a (>= 1) | b:any, c [amd64]`: what begins it or follows a comma or bar, up to what no name holds. */
function hashNames(bytes: Buffer, start: number, end: number, into: Words): void {
  let hash = BASIS;
  let state: 'before' | 'in' | 'after' = 'before';
  for (let at = start; at <= end; at++) {
    const byte = at < end ? (bytes[at] ?? 0) : COMMA;
    if (isNamePart(byte) && state !== 'after') {
      state = 'in';
      hash = Math.imul(hash ^ byte, PRIME);
    } else {
      if (state === 'in') {
        into.push(hash);
        state = 'after';
      }
      if (byte === COMMA || byte === BAR) {
        state = 'before';
        hash = BASIS;
      }
    }
  }
}

/** Letters, digits, plus, minus and dot (deb-control(5)), and the underscore, which foreign archives use. */
function isNamePart(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x2b ||
    byte === 0x5f
  );
}
