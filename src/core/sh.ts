import { Secret } from './secret.ts';

/** Shell text for POSIX sh. Build it with the `sh` tag; `text` is what runs, `masked` what may be shown. */
export class Sh {
  readonly text: string;
  readonly masked: string;
  readonly secrets: readonly Secret[];

  constructor(text: string, masked: string, secrets: readonly Secret[]) {
    this.text = text;
    this.masked = masked;
    this.secrets = secrets;
  }

  toString(): string {
    return this.masked;
  }

  toJSON(): string {
    return this.masked;
  }
}

export type ShValue = string | number | Secret | Sh | readonly (string | number | Sh)[];

/**
 * Quotes by default: strings and numbers become one shell word each, arrays become words with spaces between, another `Sh`
 * goes in as it is, a Secret is quoted and masked when shown. Common leading indentation is removed.
 */
export function sh(parts: TemplateStringsArray, ...values: readonly ShValue[]): Sh {
  const pieces = dedent(parts);
  const secrets: Secret[] = [];
  let text = pieces[0] ?? '';
  let masked = text;
  values.forEach((value, index) => {
    const after = pieces[index + 1] ?? '';
    const shell = toShell(value, secrets);
    text += shell.text + after;
    masked += shell.masked + after;
  });
  return new Sh(text, masked, secrets);
}

/** Shell text taken as it is; for fixed strings of ours or scripts a user wrote. Never for values. */
export function raw(text: string): Sh {
  return new Sh(text, text, []);
}

/** Joins scripts with newlines. */
export function lines(scripts: readonly Sh[]): Sh {
  return new Sh(
    scripts.map((script) => script.text).join('\n'),
    scripts.map((script) => script.masked).join('\n'),
    scripts.flatMap((script) => script.secrets),
  );
}

/** One word for POSIX sh; words that need no quotes get none, so that plans stay readable. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function toShell(value: ShValue, secrets: Secret[]): { text: string; masked: string } {
  if (value instanceof Sh) {
    secrets.push(...value.secrets);
    return value;
  }
  if (value instanceof Secret) {
    secrets.push(value);
    return { text: quote(value.reveal()), masked: '***' };
  }
  if (typeof value === 'string' || typeof value === 'number') {
    const text = quote(String(value));
    return { text, masked: text };
  }
  const words = value.map((item) => toShell(item, secrets));
  return { text: words.map((word) => word.text).join(' '), masked: words.map((word) => word.masked).join(' ') };
}

function dedent(parts: TemplateStringsArray): string[] {
  // Raw text, so that `\\n` reaches printf as written; only what a template literal itself cannot hold is unescaped.
  const raws = parts.raw.map((part) => part.replaceAll('\\${', '${').replaceAll('\\`', '`'));
  const indents = raws.flatMap((part, index) =>
    part
      .split('\n')
      .slice(1)
      // A blank line has no say, but the last line of a part is followed by a value and so does.
      .filter((line, at, all) => line.trim() !== '' || (at === all.length - 1 && index < raws.length - 1))
      .map((line) => /^ */.exec(line)?.[0].length ?? 0),
  );
  const width = indents.length === 0 ? 0 : Math.min(...indents);
  const cut = raws.map((part) => part.replaceAll(`\n${' '.repeat(width)}`, '\n'));
  const last = cut.length - 1;
  cut[0] = (cut[0] ?? '').replace(/^\n/, '');
  cut[last] = (cut[last] ?? '').replace(/\n *$/, '');
  return cut;
}
