import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isKibError, type Recipe } from '../core/index.ts';
import type { LoadedImage } from './load.ts';
import { importModule, moduleProblem } from './load-module.ts';
import type { Problem } from './problem.ts';
import { RECIPE_PATH } from './schema.ts';
import { isSettings } from './variables.ts';

/** A key of `recipes` that names a file: `./mine.ts`. Names of recipes hold neither slash nor dot. */
function isRecipePath(key: string): boolean {
  return RECIPE_PATH.test(key);
}

/**
 * The image with the recipes loaded that it names by the path of their file. From here on they go by their own names; where something is said of
 * them, the place in the image file is that of the path. What is wrong with a file stands in the document's problems; throws as loadModule does.
 */
export async function withOwnRecipes(image: LoadedImage): Promise<LoadedImage> {
  const { document, dir } = image;
  const wanted = isSettings(document.value) ? document.value['recipes'] : undefined;
  if (!isSettings(document.value) || !isSettings(wanted)) return image;
  const keys = Object.keys(wanted);
  if (!keys.some(isRecipePath)) return image;
  const problems: Problem[] = [...document.problems];
  const recipes: Recipe[] = [];
  const keyOf = new Map<string, string>();
  const named: Record<string, unknown> = {};
  for (const key of keys) {
    const add = (message: string, hint?: string) => {
      problems.push({ path: `recipes.${key}`, message, hint, source: document.locate(['recipes', key], 'key') });
    };
    const recipe = isRecipePath(key) ? await load(resolve(dir, key), add) : undefined;
    const name = isRecipePath(key) ? recipe?.name : key;
    if (name === undefined) continue;
    if (Object.hasOwn(named, name))
      add(`is called ${name}, as is ${keyOf.get(name) ?? 'another recipe here'}`, 'give it another name');
    named[name] = wanted[key];
    if (recipe === undefined) continue;
    recipes.push(recipe);
    keyOf.set(name, key);
  }
  const written = (path: readonly PropertyKey[]): readonly PropertyKey[] => {
    const key = path[0] === 'recipes' ? keyOf.get(String(path[1])) : undefined;
    return key === undefined ? path : ['recipes', key, ...path.slice(2)];
  };
  return {
    ...image,
    document: {
      ...document,
      value: { ...document.value, recipes: named },
      problems,
      locate: (path, part) => document.locate(written(path), part),
    },
    recipes: [...image.recipes, ...recipes],
  };
}

async function load(path: string, add: (message: string, hint?: string) => void): Promise<Recipe | undefined> {
  try {
    await stat(path);
  } catch {
    add('does not exist', 'paths start at the folder of the image file');
    return undefined;
  }
  try {
    const exports = await importModule(path);
    const recipe: unknown = await exports['default'];
    const problem = shapeProblem(recipe, Object.keys(exports));
    if (problem === undefined) return recipe as Recipe;
    add(problem, 'want export default defineRecipe({ name, summary, params, steps })');
  } catch (error) {
    if (isKibError(error)) throw error;
    add(moduleProblem(error));
  }
  return undefined;
}

const NAME = /^[a-z][a-z0-9-]*$/;
const LISTS = ['after', 'replaces'] as const;
const FUNCTIONS = [
  'validate',
  'prepare',
  'packageSetup',
  'repositories',
  'packages',
  'seal',
  'ships',
  'checks',
  'properties',
] as const;

/** What is wrong with what should be a recipe; `exported` are the names that its file exports. */
function shapeProblem(value: unknown, exported: readonly string[]): string | undefined {
  if (value === undefined) {
    const found = exported.length === 0 ? 'nothing' : exported.toSorted().join(', ');
    return `has no default export, but exports ${found}`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return `exports no recipe as default, but ${kindOf(value)}`;
  const recipe = value as Readonly<Record<string, unknown>>;
  const wrong: string[] = [];
  const { name, summary, params, steps, optional } = recipe;
  if (typeof name !== 'string' || !NAME.test(name)) wrong.push('name must be lower-case letters, digits and hyphens');
  if (typeof summary !== 'string' || summary === '') wrong.push('summary must say in a line what it does');
  if (!isZod(params)) wrong.push('params must be a schema of zod 4, such as z.strictObject({})');
  if (typeof steps !== 'function') wrong.push('steps must be a function that returns actions');
  for (const key of LISTS)
    if (recipe[key] !== undefined && !isNames(recipe[key])) wrong.push(`${key} must be a list of recipe names`);
  if (optional !== undefined && typeof optional !== 'boolean') wrong.push('optional must be true or false');
  for (const key of FUNCTIONS)
    if (recipe[key] !== undefined && typeof recipe[key] !== 'function') wrong.push(`${key} must be a function`);
  return wrong.length === 0 ? undefined : `exports no recipe: ${wrong.join('; ')}`;
}

// By its mark, since the file may have a zod of its own.
function isZod(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '_zod' in value;
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
