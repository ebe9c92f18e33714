import type { z } from 'zod';

export type Schema = z.core.$ZodType;

/** What kinds of schema the walk tells apart; zod's own `def.type` names. */
type Definition = z.core.$ZodTypes['_zod']['def'];

export function definition(schema: Schema): Definition {
  return (schema as unknown as { def: Definition }).def;
}

/** The schema below optional, default, transform and the like: what a user writes. */
export function unwrap(schema: Schema): Schema {
  const def = definition(schema);
  if (def.type === 'pipe') return unwrap(definition(def.in).type === 'transform' ? def.out : def.in);
  if (def.type === 'lazy') return unwrap(def.getter());
  return 'innerType' in def ? unwrap(def.innerType) : schema;
}

/** The alternatives a value may take: the options of a union, else the schema alone; all unwrapped. */
export function branches(schema: Schema): readonly Schema[] {
  const inner = unwrap(schema);
  const def = definition(inner);
  return def.type === 'union' ? def.options.flatMap((option) => branches(option)) : [inner];
}

/** The schemas of one member of an object, record or array; empty when there is no such member. */
export function member(schema: Schema, key: string): readonly Schema[] {
  return branches(schema).flatMap((branch) => {
    const def = definition(branch);
    if (def.type === 'object') return Object.hasOwn(def.shape, key) ? [def.shape[key] as Schema] : [];
    if (def.type === 'record') return [def.valueType];
    if (def.type === 'array') return /^\d+$/.test(key) ? [def.element] : [];
    return [];
  });
}

/** The schemas that a path leads to; several where unions are on the way, none where nothing has that name. */
export function schemasAt(root: Schema, path: readonly PropertyKey[]): readonly Schema[] {
  return path.reduce<readonly Schema[]>((at, key) => at.flatMap((schema) => member(schema, String(key))), [root]);
}

/** Names of the members that an object at these schemas may have. */
export function keysOf(schemas: readonly Schema[]): readonly string[] {
  const keys = schemas.flatMap(branches).flatMap((branch) => {
    const def = definition(branch);
    return def.type === 'object' ? Object.keys(def.shape) : [];
  });
  return [...new Set(keys)];
}

/** The text of `.describe()`, looked for from the outside in. */
export function descriptionOf(schema: Schema): string | undefined {
  const own = (schema as z.ZodType).description;
  if (own !== undefined) return own;
  const def = definition(schema);
  if ('innerType' in def) return descriptionOf(def.innerType);
  return def.type === 'pipe' ? descriptionOf(def.in) : undefined;
}

/** The value a setting has when nobody gives one; undefined when it has none. */
export function defaultOf(schema: Schema): unknown {
  const def = definition(schema);
  if (def.type === 'default' || def.type === 'prefault') return def.defaultValue;
  if ('innerType' in def) return defaultOf(def.innerType);
  return def.type === 'pipe' ? defaultOf(def.in) : undefined;
}
