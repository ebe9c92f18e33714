import { z } from 'zod';
import { type Driver, type Exporter, type ImageSpec, imageSchema, type OsDefinition, type Recipe } from '../core/index.ts';
import { KUBERNETES } from '../plan/recipe-context.ts';
import { osNames } from './os-names.ts';
import { unwrap } from './walk.ts';

/** Everything an image may name. Handed in by the caller: configuration knows no driver and no recipe by itself. */
export interface Registry {
  /** In the order they run where `after` does not say otherwise. */
  readonly recipes: readonly Recipe[];
  readonly drivers: readonly Driver[];
  readonly exporters: readonly Exporter[];
  readonly catalog: readonly OsDefinition[];
}

export type RootSchema = ReturnType<typeof rootSchema>;

/** imageSchema, its names closed and its open parts filled in by what the registry holds. Every setting there is has a field here. */
export function rootSchema(registry: Registry) {
  const { shape } = imageSchema;
  const describe = <T extends z.ZodType>(schema: T, key: keyof typeof shape) => schema.describe(shape[key].description ?? '');
  const recipes = registry.recipes.filter((recipe) => recipe.name !== KUBERNETES);
  return imageSchema.extend({
    image: describe(z.enum(namesOf(registry.catalog.map((os) => os.id))), 'image'),
    driver: describe(driverSchema(registry.drivers), 'driver'),
    export: describe(
      z
        .strictObject(
          Object.fromEntries(
            registry.exporters.map((exporter) => [exporter.format, optional(exporter.options, exporter.summary)]),
          ),
        )
        .default({}),
      'export',
    ),
    recipes: describe(
      z
        .strictObject(Object.fromEntries(recipes.map((recipe) => [recipe.name, optional(recipe.params, recipe.summary)])))
        .default({}),
      'recipes',
    ),
    without: describe(z.array(z.enum(namesOf(registry.recipes.map((recipe) => recipe.name)))).default([]), 'without'),
  });
}

function driverSchema(drivers: readonly Driver[]) {
  const names = namesOf(drivers.map((driver) => driver.name));
  const objects = drivers.map((driver) => withName(driver));
  const first = objects[0];
  const options = first === undefined ? [] : [z.discriminatedUnion('name', [first, ...objects.slice(1)])];
  return z.union([z.enum(names), ...options]).default(drivers[0]?.name ?? '');
}

function withName(driver: Driver) {
  if (!(driver.options instanceof z.ZodObject)) throw new Error(`options of driver ${driver.name} must be an object schema`);
  return driver.options.safeExtend({ name: z.literal(driver.name).describe('Driver name') });
}

function optional(schema: z.ZodType, summary: string) {
  return schema.optional().describe(summary);
}

function namesOf(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, name]));
}

export interface CheckedImage {
  /** The members that are right, defaults filled in; complete when there are no issues. */
  readonly values: Partial<ImageSpec>;
  readonly issues: readonly z.core.$ZodIssue[];
}

/** Checks an image member by member, so that what is right in it can be checked further although something else is wrong. */
export function checkImage(schema: RootSchema, input: Readonly<Record<string, unknown>>): CheckedImage {
  const values: Partial<ImageSpec> & Record<string, unknown> = {};
  const issues: z.core.$ZodIssue[] = [];
  for (const [key, member] of Object.entries(schema.shape)) {
    const result = member.safeParse(Object.hasOwn(input, key) ? input[key] : undefined, { reportInput: true });
    if (result.success) values[key] = result.data;
    else issues.push(...result.error.issues.map((issue) => ({ ...issue, path: [key, ...issue.path] })));
  }
  const unknown = Object.keys(input).filter((key) => !Object.hasOwn(schema.shape, key));
  if (unknown.length > 0) issues.push({ code: 'unrecognized_keys', keys: unknown, path: [], message: 'unknown setting', input });
  return { values, issues };
}

/** A key of `recipes` that is the path of a file with a recipe of the user's own: `./mine.ts`. */
export const RECIPE_PATH = /^\.{0,2}\/|\.m?[jt]s$/;

/** JSON Schema (draft 2020-12) of an image file, for editors. */
export function toJsonSchema(registry: Registry): Record<string, unknown> {
  const root = rootSchema(registry);
  return z.toJSONSchema(root, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // The schema knows catalog names alone; other names are replaced by them before it is asked.
      if (zodSchema === root.shape.image) jsonSchema.enum = [...osNames(registry.catalog)];
      // So are paths, by the names of the recipes that they lead to.
      if (zodSchema === unwrap(root.shape.recipes)) {
        const description = 'Parameters of a recipe of your own, by the path of its file';
        jsonSchema.patternProperties = { [RECIPE_PATH.source]: { description } };
      }
    },
  });
}
