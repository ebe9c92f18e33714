import { parse } from 'yaml';
import { branches, definition, type Schema } from './walk.ts';

/**
 * The value that text of a variable stands for. Text stays text where the setting takes text, so that `2.10` is a version and not a
 * number; elsewhere it is read as YAML, and a list may be written with commas. What cannot be read stays text for the schema to refuse.
 */
export function coerceText(text: string, schemas: readonly Schema[]): unknown {
  const alternatives = schemas.flatMap(branches);
  const types = alternatives.map((schema) => definition(schema).type);
  const looksLikeSettings =
    /^\s*[[{]/.test(text) && types.some((type) => type === 'object' || type === 'array' || type === 'record');
  if (!looksLikeSettings && alternatives.some((schema) => takesText(schema, text))) return text;
  const value = parseScalar(text);
  if (!types.includes('array') || Array.isArray(value) || looksLikeSettings) return value;
  return text === '' ? [] : text.split(',').map((entry) => entry.trim());
}

function takesText(schema: Schema, text: string): boolean {
  const def = definition(schema);
  if (def.type === 'enum') return Object.values(def.entries).includes(text);
  if (def.type === 'literal') return def.values.includes(text);
  return def.type === 'string' || def.type === 'template_literal';
}

function parseScalar(text: string): unknown {
  try {
    return parse(text, { logLevel: 'silent', maxAliasCount: 0 }) as unknown;
  } catch {
    return text;
  }
}
