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
  const exports = /\.m?ts$/.test(path) ? await importTypeScript(path) : await importPlain(path);
  const main: unknown = await exports['default'];
  if (main === undefined) throw new Error('has no default export; want export default defineImage({ … })');
  return {
    images: Array.isArray(main) ? main : [main],
    recipes: listOf(exports, 'recipes') as readonly Recipe[],
    drivers: listOf(exports, 'drivers') as readonly Driver[],
  };
}

type Exports = Record<string, unknown>;

async function importPlain(path: string): Promise<Exports> {
  return (await import(pathToFileURL(path).href)) as Exports;
}

async function importTypeScript(path: string): Promise<Exports> {
  const { typescript } = process.features as { typescript?: string | false };
  if (typeof typescript === 'string') return importPlain(path);
  const { tsImport } = await importTsx();
  const exports: Exports = await tsImport(pathToFileURL(path).href, import.meta.url);
  const main = exports['default'];
  // Without "type": "module" around it a .ts file becomes CommonJS, whose exports arrive one level down.
  return typeof main === 'object' && main !== null && '__esModule' in main ? main : exports;
}

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

function listOf(exports: Exports, name: string): readonly unknown[] {
  const list = exports[name];
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw new Error(`export ${name} must be a list`);
  return list;
}

/** Message of what a module threw, with the place in it that esbuild and Node put on the first lines. */
export function moduleProblem(error: unknown): string {
  return `cannot be loaded: ${errorMessage(error).split('\n').slice(0, 3).join(' ')}`;
}
