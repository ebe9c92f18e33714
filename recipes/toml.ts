import { z } from 'zod';

/** A TOML table (toml.io, version 1.0): what JSON has but null. */
export interface TomlTable {
  readonly [key: string]: TomlValue;
}
export type TomlValue = string | number | boolean | TomlTable | readonly TomlValue[];

/** TOML text of a table: its values first, then its tables, each by its full name. */
export function toml(table: TomlTable): string {
  return `${section(table, []).join('\n').trimStart()}\n`;
}

/** `over` laid over `under`: tables are merged, everything else is replaced. */
export function mergeToml(under: TomlTable, over: TomlTable): TomlTable {
  const merged: Record<string, TomlValue> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isTable(before) && isTable(value) ? mergeToml(before, value) : value;
  }
  return merged;
}

/** A table that a user writes in YAML. */
export const tomlSchema = z.record(z.string(), z.unknown()).refine((value) => notToml(value).length === 0, {
  error: ({ input }) => `must not have null, for which TOML has no word: ${notToml(input).join(', ')}`,
});

/** What tomlSchema let through. Throws when it did not. */
export function tableOf(value: z.output<typeof tomlSchema>): TomlTable {
  const wrong = notToml(value);
  if (wrong.length > 0) throw new Error(`${wrong.join(', ')} is not TOML`);
  return value as TomlTable;
}

/** Paths in `value` that TOML has no way to say. */
function notToml(value: unknown, path: readonly string[] = []): readonly string[] {
  if (typeof value === 'string' || typeof value === 'boolean') return [];
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [path.join('.')];
  if (Array.isArray(value)) return value.flatMap((item: unknown, index) => notToml(item, [...path, String(index)]));
  if (typeof value !== 'object' || value === null) return [path.join('.')];
  return Object.entries(value).flatMap(([key, member]) => notToml(member, [...path, key]));
}

function section(table: TomlTable, path: readonly string[]): readonly string[] {
  const entries = Object.entries(table);
  const values = entries.filter(([, value]) => !isTable(value));
  const tables = entries.flatMap(([key, value]) => (isTable(value) ? [[key, value] as const] : []));
  const header = path.length === 0 || (values.length === 0 && tables.length > 0) ? [] : ['', `[${path.map(keyOf).join('.')}]`];
  const indent = path.length === 0 ? '' : '  ';
  return [
    ...header,
    ...values.map(([key, value]) => `${indent}${keyOf(key)} = ${literal(value)}`),
    ...tables.flatMap(([key, value]) => section(value, [...path, key])),
  ];
}

function literal(value: TomlValue): string {
  if (isTable(value)) {
    return `{ ${Object.entries(value)
      .map(([key, member]) => `${keyOf(key)} = ${literal(member)}`)
      .join(', ')} }`;
  }
  if (typeof value === 'object') return `[${value.map(literal).join(', ')}]`;
  return typeof value === 'string' ? text(value) : String(value);
}

function keyOf(key: string): string {
  return /^[\w-]+$/.test(key) ? key : text(key);
}

/** A basic string; JSON writes its escapes the same way, but leaves DEL alone. */
function text(value: string): string {
  return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}

function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value);
}
