/** Settings of a .vmx file in their order. Keys are case-insensitive, as VMware takes them; the spelling of the file is kept. */
export type Vmx = ReadonlyMap<string, string>;

const LINE = /^\s*([\w.:-]+)\s*=\s*"(.*)"\s*$/;

/**
 * The text of a .vmx file. VMware writes a character that cannot stand between quotes as `|` and two hexadecimal digits (`|22` is a
 * quotation mark, `|0A` a line feed).
 */
export function vmxText(settings: Vmx): string {
  return [...settings].map(([key, value]) => `${key} = "${escape(value)}"\n`).join('');
}

/** Reads a .vmx file; of a key that stands there twice the last value counts. Lines that are no setting are passed over. */
export function parseVmx(text: string): Vmx {
  const settings = new Map<string, string>();
  const spelling = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, key, value] = LINE.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    const known = spelling.get(key.toLowerCase()) ?? key;
    spelling.set(key.toLowerCase(), known);
    settings.set(known, unescape(value));
  }
  return settings;
}

/** The value of a setting, however its key is spelled. */
export function vmxValue(settings: Vmx, key: string): string | undefined {
  for (const [name, value] of settings) if (name.toLowerCase() === key.toLowerCase()) return value;
  return undefined;
}

/** A copy without the settings that `unwanted` says. */
export function withoutSettings(settings: Vmx, unwanted: (key: string) => boolean): Vmx {
  return new Map([...settings].filter(([key]) => !unwanted(key.toLowerCase())));
}

function escape(value: string): string {
  return value.replaceAll(/["|\n\r#]/g, (char) => `|${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

function unescape(value: string): string {
  return value.replaceAll(/\|([0-9A-Fa-f]{2})/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
