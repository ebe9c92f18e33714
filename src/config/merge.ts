import { KUBERNETES } from '../plan/recipe-context.ts';
import type { Assignment } from './assign.ts';
import type { LoadedImage } from './load.ts';
import { osNamed } from './os-names.ts';
import type { Registry, RootSchema } from './schema.ts';
import { isSettings, type VariableOrigin } from './variables.ts';
import { defaultOf } from './walk.ts';

/** Where a value came from. */
export type ValueOrigin = 'default' | 'image' | VariableOrigin;

/** An image file with every variable laid over it. Not checked yet. */
export interface MergedImage {
  readonly input: Readonly<Record<string, unknown>>;
  readonly name: string;
  /** Where the value at a path was given, for messages. */
  locate(path: readonly PropertyKey[], part: 'key' | 'value'): string;
  originOf(path: readonly string[]): ValueOrigin;
  /** Folder that relative paths in the value at `path` start from. */
  dirOf(path: readonly string[]): string;
}

type Settings = Record<string, unknown>;

/** The ways to say what the base is; naming one takes the place of another. */
const BASE_KINDS = ['file', 'url', 'bootstrap', 'ami', 'template'];

/** Lays assignments over an image, later ones over earlier ones. Pure. */
export function mergeImage(
  image: LoadedImage,
  assignments: readonly Assignment[],
  root: RootSchema,
  registry: Registry,
): MergedImage {
  const input = copy(image.document.value) as Settings;
  normalise(input, root);
  dropStaleOptions(input, assignments);
  for (const assignment of assignments) assign(input, assignment);
  nameSystem(input, registry);
  completeGroups(input, registry, root);
  const lastFor = (path: readonly PropertyKey[]) =>
    assignments.findLast((assignment) => assignment.path.every((key, index) => key === path[index]));
  return {
    input,
    name: image.document.label,
    locate: (path, part) => lastFor(path)?.variable.source ?? image.document.locate(path, part),
    originOf: (path) => lastFor(path)?.variable.origin ?? (has(image.document.value, path) ? 'image' : 'default'),
    dirOf: (path) => lastFor(path)?.variable.dir ?? image.dir,
  };
}

function normalise(input: Settings, root: RootSchema): void {
  if (input['driver'] === undefined) input['driver'] = defaultOf(root.shape.driver);
  if (typeof input['driver'] === 'string') input['driver'] = { name: input['driver'] };
  // `watchdog:` alone names a recipe as `watchdog: {}` does.
  for (const group of ['recipes', 'export']) {
    const members = input[group];
    if (!isSettings(members)) continue;
    input[group] = Object.fromEntries(Object.entries(members).map(([key, member]) => [key, member ?? {}]));
  }
}

// An alias is as good as the catalog name it stands for.
function nameSystem(input: Settings, { catalog }: Registry): void {
  const { image } = input;
  if (typeof image === 'string') input['image'] = osNamed(catalog, image)?.id ?? image;
}

// Options in the image file belong to the driver named beside them; options from variables to whichever is chosen.
function dropStaleOptions(input: Settings, assignments: readonly Assignment[]): void {
  const chosen = assignments.findLast(({ path, value }) => namesDriver(path) && typeof value === 'string')?.value;
  if (chosen !== undefined && isSettings(input['driver']) && input['driver']['name'] !== chosen)
    input['driver'] = { name: chosen };
}

function namesDriver(path: readonly string[]): boolean {
  return path[0] === 'driver' && (path.length === 1 || path[1] === 'name');
}

function assign(input: Settings, { path, value, variable }: Assignment): void {
  const [first = '', second] = path;
  if (first === 'base' && second !== undefined && BASE_KINDS.includes(second)) keepOnly(input, 'base', second);
  const isShort = path.length === 1 && typeof value === 'string';
  if (first === 'driver' && isShort) set(input, ['driver', 'name'], value);
  else if (first === 'without' && variable.origin === 'flag') set(input, path, joined(input['without'], value));
  else set(input, path, copy(value));
}

// --without leaves out more, it does not bring back what the image file leaves out.
function joined(before: unknown, value: unknown): unknown {
  return Array.isArray(before) && Array.isArray(value)
    ? [...new Set([...(before as unknown[]), ...(value as unknown[])])]
    : value;
}

function keepOnly(input: Settings, group: string, kind: string): void {
  const members = input[group];
  if (isSettings(members) && !Object.hasOwn(members, kind)) delete input[group];
}

function set(target: Settings, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = Object.hasOwn(target, key) && isSettings(target[key]) ? { ...target[key] } : {};
  target[key] = inner;
  set(inner, rest, value);
}

/** Recipes that run and formats that are written get their group, so that their defaults are filled in and checked. */
function completeGroups(input: Settings, registry: Registry, root: RootSchema): void {
  const wanted = input['formats'] ?? defaultOf(root.shape.formats);
  const formats: unknown[] = Array.isArray(wanted) ? wanted : [];
  const known = registry.exporters.map((exporter) => exporter.format as string).filter((format) => formats.includes(format));
  const replaced = replacedBy(input, registry);
  const defaults = registry.recipes.filter(
    ({ name, optional }) => optional !== true && name !== KUBERNETES && !replaced.has(name),
  );
  fill(input, 'export', known);
  fill(
    input,
    'recipes',
    defaults.map((recipe) => recipe.name),
  );
}

/** Recipes that stand aside for one the image names. */
function replacedBy(input: Settings, registry: Registry): ReadonlySet<string> {
  const { recipes, without } = input;
  const named = isSettings(recipes) ? recipes : {};
  const left: readonly unknown[] = Array.isArray(without) ? without : [];
  const chosen = registry.recipes.filter(({ name }) => Object.hasOwn(named, name) && !left.includes(name));
  return new Set(chosen.flatMap(({ replaces }) => replaces ?? []));
}

function fill(input: Settings, group: string, names: readonly string[]): void {
  const members = input[group] ?? {};
  if (!isSettings(members)) return;
  input[group] = { ...Object.fromEntries(names.map((name) => [name, {}])), ...members };
}

function has(value: unknown, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return true;
  return isSettings(value) && Object.hasOwn(value, key) && has(value[key], rest);
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  return isSettings(value) ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copy(member)])) : value;
}
