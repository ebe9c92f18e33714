import { register } from 'node:module';
import { extname } from 'node:path/posix';
import { pathToFileURL } from 'node:url';
import type * as TsxApi from 'tsx/esm/api';
import { type Driver, errorMessage, KibError, type Recipe, systemCode } from '../core/index.ts';

/** What an image file written in TypeScript or JavaScript exports. */
export interface ImageModule {
  /** The default export: an image or a list of images. */
  readonly images: readonly unknown[];
  /** Recipes of the user's own, exported as `recipes`. */
  readonly recipes: readonly Recipe[];
  /** Drivers of the user's own, exported as `drivers`. */
  readonly drivers: readonly Driver[];
}

/**
 * Runs an image file. TypeScript is stripped by Node itself from 22.18 on, else by the optional peer `tsx`; throws KIB_TOOL_MISSING
 * where there is neither, and whatever the file throws.
 */
export async function loadModule(path: string): Promise<ImageModule> {
  const exports = await importModule(path);
  const main: unknown = await exports['default'];
  if (main === undefined) throw new Error('has no default export; want export default defineImage({ … })');
  const images: readonly unknown[] = Array.isArray(main) ? main : [main];
  if (images.length === 0) throw new Error('exports an empty list; want at least one image');
  return {
    images,
    recipes: listOf<Recipe>(exports, 'recipes', (recipe) => isSchema(recipe.params) && typeof recipe.steps === 'function'),
    drivers: listOf<Driver>(exports, 'drivers', (driver) => isSchema(driver.options) && typeof driver.launch === 'function'),
  };
}

export type Exports = Record<string, unknown>;

/** Everything that a file of the user's exports; throws as loadModule does. */
export async function importModule(path: string): Promise<Exports> {
  registerHooks();
  return /\.m?ts$/.test(path) ? importTypeScript(path) : importPlain(path);
}

async function importPlain(path: string): Promise<Exports> {
  return (await import(pathToFileURL(path).href)) as Exports;
}

async function importTypeScript(path: string): Promise<Exports> {
  const { typescript } = process.features as { typescript?: string | false };
  if (typeof typescript === 'string') return importPlain(path);
  const { tsImport } = await importTsx();
  return (await tsImport(pathToFileURL(path).href, import.meta.url)) as Exports;
}

const state = { isRegistered: false };

function registerHooks(): void {
  if (state.isRegistered) return;
  state.isRegistered = true;
  const own = (path: string) => new URL(`../${path}/index${extname(import.meta.url)}`.replace('//', '/'), import.meta.url).href;
  const data = { packages: { 'kib-native': own(''), 'kib-native/core': own('core') }, self: import.meta.url };
  register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, { data });
}

/**
 * Without "type": "module" around it tsx makes a .ts file CommonJS, which cannot import this package. Node's own support of TypeScript
 * looks at the syntax instead. A file that imports this package gets the one that runs, and zod too where nobody installed it.
 */
const HOOKS = `let own;
export function initialize(data) {
  own = data;
}
export async function resolve(specifier, context, next) {
  const found = await find(specifier, context, next);
  return /[.]ts([?#]|$)/.test(found.url) ? { ...found, format: 'module' } : found;
}
async function find(specifier, context, next) {
  if (Object.hasOwn(own.packages, specifier)) return next(own.packages[specifier], context);
  try {
    return await next(specifier, context);
  } catch (error) {
    if (specifier !== 'zod' || error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return next(specifier, { ...context, parentURL: own.self });
  }
}`;

async function importTsx(): Promise<typeof TsxApi> {
  try {
    return await import('tsx/esm/api');
  } catch (error) {
    if (systemCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new KibError('KIB_TOOL_MISSING', `Node ${process.versions.node} cannot read TypeScript by itself`, {
      hint: 'npm install tsx, or use Node 22.18 or later, or write the image file in YAML',
      cause: error,
    });
  }
}

function listOf<T extends { readonly name: string }>(
  exports: Exports,
  name: string,
  isRight: (entry: T) => boolean,
): readonly T[] {
  const list = exports[name];
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw new Error(`export ${name} must be a list`);
  const isNamed = (entry: unknown): entry is T =>
    typeof entry === 'object' && entry !== null && 'name' in entry && typeof entry.name === 'string';
  const wrong = list.findIndex((entry: unknown) => !isNamed(entry) || !isRight(entry));
  const one = name.replace(/s$/, '');
  if (wrong !== -1)
    throw new Error(`${name}[${wrong}] is no ${one}; want define${one.charAt(0).toUpperCase()}${one.slice(1)}({ … })`);
  return list as readonly T[];
}

function isSchema(value: unknown): boolean {
  return typeof (value as { safeParse?: unknown } | undefined)?.safeParse === 'function';
}

/** Message of what a module threw, with the place in it that esbuild and Node put on the first lines. */
export function moduleProblem(error: unknown): string {
  const lines = errorMessage(error).split('\n');
  return `cannot be loaded: ${lines.slice(0, 3).join(' ')}`;
}
