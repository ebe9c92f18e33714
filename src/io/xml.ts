/** Well-formed XML text; only the `xml` tag makes it, so that values cannot get in unescaped. */
export class Xml {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

export type XmlValue = string | number | boolean | Xml | readonly Xml[] | undefined;

/**
 * Escapes by default: strings, numbers and booleans become character data that is also safe between attribute quotes; another `Xml` goes in
 * as it is, an array of them one per line, both indented like the place they stand in. A line that holds only an absent or
 * empty value vanishes. The indentation of the template itself is removed. Throws on characters that XML 1.0 cannot hold.
 */
export function xml(parts: TemplateStringsArray, ...values: readonly XmlValue[]): Xml {
  const width = indentation(parts.raw);
  const texts = parts.raw.map((part) => part.replaceAll(`\n${' '.repeat(width)}`, '\n'));
  let out = (texts[0] ?? '').replace(/^\n/, '');
  values.forEach((value, index) => {
    const after = texts[index + 1] ?? '';
    const line = out.slice(out.lastIndexOf('\n') + 1);
    const text = render(value, /^ *$/.test(line) ? line : '');
    const isAlone = text === '' && line.trim() === '' && after.startsWith('\n');
    out = isAlone ? out.slice(0, out.length - line.length) + after.slice(1) : out + text + after;
  });
  return new Xml(out.replace(/\n *$/, ''));
}

/** A whole document: declaration, the element, a final newline. */
export function xmlDocument(element: Xml): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element.text}\n`;
}

function render(value: XmlValue, indent: string): string {
  if (value === undefined) return '';
  if (value instanceof Xml) return value.text.replaceAll('\n', `\n${indent}`);
  if (typeof value === 'object') return value.map((item) => render(item, indent)).join(`\n${indent}`);
  return escape(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

function escape(text: string): string {
  const bad = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.exec(text)?.[0];
  if (bad !== undefined) {
    const code = bad.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
    throw new RangeError(`U+${code} cannot stand in XML 1.0 (XML 1.0 §2.2): ${JSON.stringify(text)}`);
  }
  // Line ends and tabs as references: a reader normalises them in attributes, and nesting would indent them.
  return text.replaceAll(/[&<>"'\t\n\r]/g, (char) => ENTITIES[char] ?? `&#${char.charCodeAt(0)};`);
}

function indentation(parts: readonly string[]): number {
  const lines = parts.flatMap((part, index) =>
    part
      .split('\n')
      .slice(1)
      // A blank line has no say, but the last line of a part is followed by a value and so does.
      .filter((line, at, all) => line.trim() !== '' || (at === all.length - 1 && index < parts.length - 1)),
  );
  return lines.length === 0 ? 0 : Math.min(...lines.map((line) => /^ */.exec(line)?.[0].length ?? 0));
}
