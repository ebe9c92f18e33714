import { formatBytes, Secret } from '../core/index.ts';

/** What zod calls a type, in words. */
export function kindName(kind: string): string {
  const names: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    object: 'settings',
    record: 'settings',
    array: 'a list',
  };
  return names[kind] ?? kind;
}

/** A value as the user would recognise it, on one short line. */
export function show(value: unknown): string {
  if (value === null) return 'nothing';
  if (value instanceof Secret) return String(value);
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value instanceof Uint8Array) return `${formatBytes(value.length)} of binary`;
  if (typeof value === 'object') return 'settings';
  const text = typeof value === 'string' || typeof value === 'boolean' ? JSON.stringify(value) : typeof value;
  return text.length > 80 ? `${text.slice(0, 77)}…"` : text;
}
