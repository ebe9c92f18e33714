import { GiB, MiB, sizeSchema } from '../core/index.ts';
import { kindName } from './show.ts';
import { branches, defaultOf, definition, descriptionOf, type Schema, unwrap } from './walk.ts';

/** One setting, for the docs, --help and inspect. */
export interface Setting {
  /** Dotted; `[]` stands for any entry of a list: `provision[].shell`. */
  readonly path: string;
  /** In words: `text`, `qcow2 | raw | ova`, `list of text`. */
  readonly type: string;
  /** As a user would write it; undefined where there is none. */
  readonly default: string | undefined;
  readonly description: string;
}

/** Every setting there is, in the order of the schema. */
export function settings(root: { readonly shape: Readonly<Record<string, Schema>> }): readonly Setting[] {
  return Object.entries(root.shape).flatMap(([key, schema]) => rows(key, schema));
}

function rows(path: string, schema: Schema): readonly Setting[] {
  const children = members(path, schema);
  // A group says nothing that its members do not say.
  if (definition(unwrap(schema)).type === 'object' && children.length > 0) return children;
  return [{ path, type: typeName(schema), default: defaultText(schema), description: descriptionOf(schema) ?? '' }, ...children];
}

function members(path: string, schema: Schema): readonly Setting[] {
  const found = branches(schema).flatMap((branch) => {
    const def = definition(branch);
    if (def.type === 'array') return members(`${path}[]`, def.element);
    return def.type === 'object' ? Object.entries(def.shape).flatMap(([key, member]) => rows(`${path}.${key}`, member)) : [];
  });
  // Alternatives of a union share members: one row each.
  return found.filter((row, index) => found.findIndex((other) => other.path === row.path) === index);
}

function typeName(schema: Schema): string {
  const inner = unwrap(schema);
  if (inner === unwrap(sizeSchema)) return 'size';
  const def = definition(inner);
  if (def.type === 'enum') return Object.values(def.entries).join(' | ');
  if (def.type === 'literal') return def.values.map(String).join(' | ');
  if (def.type === 'union') return [...new Set(def.options.map((option) => typeName(option)))].join(' | ');
  if (def.type === 'array') return `list of ${typeName(def.element)}`;
  if (def.type === 'record') return `map of ${typeName(def.valueType)}`;
  if (def.type === 'string') return 'format' in def && def.format === 'url' ? 'URL' : 'text';
  return TYPE_NAMES[def.type] ?? kindName(def.type);
}

const TYPE_NAMES: Readonly<Record<string, string>> = { number: 'number', unknown: 'anything', any: 'anything' };

function defaultText(schema: Schema): string | undefined {
  const value = defaultOf(schema);
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return value === undefined || isEmpty ? undefined : valueText(value, schema);
}

/** A value of a setting as a user would write it. */
export function valueText(value: unknown, schema?: Schema): string {
  if (typeof value === 'number' && schema !== undefined && unwrap(schema) === unwrap(sizeSchema)) return sizeText(value);
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return `[${value.join(', ')}]`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function sizeText(bytes: number): string {
  if (bytes % GiB === 0) return `${bytes / GiB}GiB`;
  return bytes % MiB === 0 ? `${bytes / MiB}MiB` : String(bytes);
}
