import { stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { type Driver, isKibError, type OsDefinition, type Recipe, systemCode } from '../core/index.ts';
import type { ImageInput } from './define.ts';
import { type ConfigDocument, parseConfig, plainDocument, unusable } from './document.ts';
import { loadModule, moduleProblem } from './load-module.ts';
import { osNameHint, targetNamed } from './os-names.ts';
import { withOwnRecipes } from './own-recipes.ts';
import type { Problem } from './problem.ts';
import { fileProblem, readSource } from './source-file.ts';

/** One image as its author wrote it; nothing in it is checked yet. */
export interface LoadedImage {
  readonly document: ConfigDocument;
  /** Relative paths in the document start here. */
  readonly dir: string;
  /** What the image file brings along. */
  readonly recipes: readonly Recipe[];
  readonly drivers: readonly Driver[];
}

export interface LoadSources {
  readonly catalog: readonly OsDefinition[];
  readonly cwd: string;
}

const DATA = ['.yaml', '.yml', '.json'];
const MODULES = ['.ts', '.mts', '.js', '.mjs'];

/**
 * Loads what the user named: a catalog name or what else means the same (targetNamed), a YAML or JSON file, or a TypeScript or JavaScript file with one image or several.
 * What is wrong with a file stands in its document's problems, so that other problems can be reported with them; throws only
 * KIB_TOOL_MISSING, for TypeScript without anything that reads it.
 */
export async function loadImages(target: string | ImageInput, sources: LoadSources): Promise<readonly LoadedImage[]> {
  const images = await loadBare(target, sources);
  return Promise.all(images.map(withOwnRecipes));
}

async function loadBare(target: string | ImageInput, sources: LoadSources): Promise<readonly LoadedImage[]> {
  if (typeof target !== 'string') return [bare(given('image', target), sources.cwd)];
  const named = targetNamed(sources.catalog, target);
  if (named !== undefined) return [bare(plainDocument(target, named), sources.cwd)];
  const path = resolve(sources.cwd, target);
  const extension = extname(target).toLowerCase();
  if (DATA.includes(extension)) return [bare(await loadData(path, target), dirname(path))];
  if (MODULES.includes(extension)) return loadFromModule(path, target);
  return [bare(unusable(target, [await unknownTarget(path, target, sources)]), sources.cwd)];
}

async function loadData(path: string, target: string): Promise<ConfigDocument> {
  const read = await readSource(path, target);
  if ('problem' in read) return unusable(target, [withCode(read.problem)]);
  const document = parseConfig(read.text, target);
  const problem = document.problems.length === 0 ? shapeProblem(document.value) : undefined;
  if (problem === undefined) return document;
  return unusable(target, [fileProblem(document.locate([], 'value'), problem)]);
}

async function loadFromModule(path: string, target: string): Promise<readonly LoadedImage[]> {
  const missing = await stat(path).then(
    () => undefined,
    (error: unknown) => (systemCode(error) === 'ENOENT' ? withCode(fileProblem(target, 'does not exist')) : undefined),
  );
  if (missing !== undefined) return [bare(unusable(target, [missing]), dirname(path))];
  try {
    const { images, recipes, drivers } = await loadModule(path);
    return images.map((value, index) => {
      const label = images.length === 1 ? target : `${target}[${index}]`;
      return { document: given(label, value), dir: dirname(path), recipes, drivers };
    });
  } catch (error) {
    if (isKibError(error)) throw error;
    return [bare(unusable(target, [fileProblem(target, moduleProblem(error))]), dirname(path))];
  }
}

function bare(document: ConfigDocument, dir: string): LoadedImage {
  return { document, dir, recipes: [], drivers: [] };
}

/** An image that is no text but a value of this process; callers without types hand over anything. */
function given(label: string, value: unknown): ConfigDocument {
  const problem = shapeProblem(value);
  return problem === undefined ? plainDocument(label, value) : unusable(label, [fileProblem(label, problem)]);
}

function shapeProblem(value: unknown): string | undefined {
  if (value === null || value === undefined) return 'is empty; want at least a line such as image: debian13';
  if (Array.isArray(value)) return 'must hold settings such as image: debian13, got a list';
  if (typeof value !== 'object') {
    const got = typeof value === 'function' ? 'a function' : JSON.stringify(value);
    return `must hold settings such as image: debian13, got ${got}`;
  }
  return undefined;
}

async function unknownTarget(path: string, target: string, { catalog }: LoadSources): Promise<Problem> {
  const found = await stat(path).catch(() => undefined);
  const kinds = [...DATA, ...MODULES].join(', ');
  if (found?.isFile() === true) return withCode(fileProblem(target, `is a file of no known kind; want one ending in ${kinds}`));
  return {
    ...withCode(fileProblem(target, 'is neither an image of the catalog nor a file')),
    hint: osNameHint(catalog, target) ?? 'kib-native list shows the catalog',
  };
}

function withCode(problem: Problem): Problem {
  return { ...problem, code: 'KIB_IMAGE_UNKNOWN' };
}
