import { HclError, type HclValue } from './hcl-value.ts';

/** The letter that an escape in a quoted string stands for, and how long the escape is. */
export function unescaped(text: string, offset: number): readonly [letter: string, length: number] {
  const simple: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' };
  const letter = simple[text.charAt(1)];
  if (letter !== undefined) return [letter, 2];
  const code = /^\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(text);
  const point = Number.parseInt(code?.[1] ?? code?.[2] ?? '', 16);
  if (code === null || !(point <= 0x10_ff_ff)) throw new HclError(`knows no ${text.slice(0, 2)}`, offset);
  return [String.fromCodePoint(point), code[0].length];
}

/** Text of `<<-`: without the indentation that all lines have. */
export function undent(value: HclValue): HclValue {
  const parts = value.kind === 'template' ? value.parts : value.kind === 'literal' ? [String(value.value)] : [];
  const whole = parts.map((part) => (typeof part === 'string' ? part : 'x')).join('');
  const indents = whole
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0);
  const width = indents.length === 0 ? 0 : Math.min(...indents);
  const cut = parts.map((part, index) => {
    if (typeof part !== 'string') return part;
    const text = index === 0 ? part.slice(width) : part;
    return text.replaceAll(new RegExp(`\n[ \t]{0,${width}}`, 'g'), '\n');
  });
  if (value.kind === 'literal') return { ...value, value: cut.map(String).join('') };
  return value.kind === 'template' ? { ...value, parts: cut } : value;
}
