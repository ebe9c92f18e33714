import { eachField } from './stanzas.ts';

/** Fields by what they say, in lower case since field names may be written either way (deb822(5)). */
const NAME = 'package';
const OFFERS = 'provides';
const NEEDS = ['depends', 'pre-depends'];
/** What apt wants on every machine, installed already or not. */
const ALWAYS = ['essential', 'important'];
const FIELDS = [NAME, OFFERS, ...NEEDS, ...ALWAYS];
const LENGTHS = new Set(FIELDS.map(({ length }) => length));

const COMMA = 0x2c;
const BAR = 0x7c;
/** FNV-1a, 32 bits. */
const BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** Words before a package's names: whether it is essential, how many names it has or provides, how many it needs. Its own name comes first. */
const HEAD = 3;
const WORDS = 1 << 16;

/**
 * What the packages of some lists are called and need. Names are kept as 32-bit hashes, so that all of Debian takes some megabytes; two names with
 * one hash only mean a package too many.
 */
export class PackageGraph {
  #words = new Uint32Array(WORDS);
  #used = 0;
  #packages = 0;

  /** How many packages there are. */
  get size(): number {
    return this.#packages;
  }

  /** Adds one stanza of a list; packages count from 0 in the order they are added. */
  add(stanza: Buffer): void {
    const own: number[] = [];
    const offers: number[] = [];
    const needs: number[] = [];
    let isEssential = false;
    eachField(stanza, (nameStart, nameEnd, start, end) => {
      if (!LENGTHS.has(nameEnd - nameStart)) return;
      const field = stanza.toString('latin1', nameStart, nameEnd).toLowerCase();
      if (field === NAME) hashNames(stanza, start, end, own);
      else if (field === OFFERS) hashNames(stanza, start, end, offers);
      else if (NEEDS.includes(field)) hashNames(stanza, start, end, needs);
      else if (ALWAYS.includes(field)) isEssential ||= /^\s*yes\s*$/i.test(stanza.toString('latin1', start, end));
    });
    const names = own.length + offers.length;
    this.#reserve(HEAD + names + needs.length);
    for (const word of [isEssential ? 1 : 0, names, needs.length, ...own, ...offers, ...needs]) this.#words[this.#used++] = word;
    this.#packages++;
  }

  /**
   * The packages that have or provide one of the names, those that these can need, and so on; alternatives count as needed. One flag for each package, in
   * their order. Recommended packages are not followed, nor are conflicts: a package in neither the selection nor the system cannot matter to them.
   */
  select(names: Iterable<string>): Uint8Array {
    const words = this.#words;
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
    const known = new Set<number>();
    for (let at = 0, index = 0; index < this.#packages; index++) {
      const firstNeed = at + HEAD + (this.#words[at + 1] ?? 0);
      for (let name = at + HEAD; name < firstNeed; name++) known.add(this.#words[name] ?? 0);
      at = firstNeed + (this.#words[at + 2] ?? 0);
    }
    return names.filter((name) => !known.has(hashText(name)));
  }

  #hasAny(wanted: ReadonlySet<number>, start: number, end: number): boolean {
    for (let at = start; at < end; at++) if (wanted.has(this.#words[at] ?? 0)) return true;
    return false;
  }

  #reserve(more: number): void {
    if (this.#used + more <= this.#words.length) return;
    const words = new Uint32Array(Math.max(this.#words.length * 2, this.#used + more));
    words.set(this.#words.subarray(0, this.#used));
    this.#words = words;
  }
}

function hashText(name: string): number {
  const found: number[] = [];
  const bytes = Buffer.from(name, 'latin1');
  hashNames(bytes, 0, bytes.length, found);
  return found[0] ?? 0;
}

/** Hashes of the names in a relationship field, `a (>= 1) | b:any, c [amd64]`: what begins it or follows a comma or bar, up to what no name holds. */
function hashNames(bytes: Buffer, start: number, end: number, into: number[]): void {
  let hash = BASIS;
  let state: 'before' | 'in' | 'after' = 'before';
  for (let at = start; at <= end; at++) {
    const byte = at < end ? (bytes[at] ?? 0) : COMMA;
    if (isNamePart(byte) && state !== 'after') {
      state = 'in';
      hash = Math.imul(hash ^ byte, PRIME) >>> 0;
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
