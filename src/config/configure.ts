import { type ConfigIssue, configError } from '../core/index.ts';
import type { ResolvedImage } from '../plan/resolved.ts';
import { type Assignments, assignVariables } from './assign.ts';
import type { ImageInput } from './define.ts';
import { type LoadedImage, loadImages } from './load.ts';
import { type MergedImage, mergeImage } from './merge.ts';
import { didYouMean } from './nearest.ts';
import { osNamed } from './os-names.ts';
import type { Target } from './packer/interpret.ts';
import { type Problem, Problems } from './problem.ts';
import { resolveImage } from './resolve.ts';
import { type Registry, type RootSchema, rootSchema } from './schema.ts';
import { isSettings, readVariables, type Variable, type VariableSources } from './variables.ts';

export interface ConfigureRequest {
  /** Catalog names and files, as the user typed them, or images themselves. */
  readonly targets: readonly (string | ImageInput)[];
  readonly registry: Registry;
  readonly variables: VariableSources;
  /** Only these images of the targets, or all but these. */
  readonly only?: readonly string[];
  readonly except?: readonly string[];
}

/** One image with what explains it. */
export interface ConfiguredImage {
  readonly image: ResolvedImage;
  readonly merged: MergedImage;
  readonly root: RootSchema;
  /** The registry with what the image's own file brought along. */
  readonly registry: Registry;
}

export interface Configuration {
  readonly images: readonly ConfiguredImage[];
  /** From Packer's output_directory. */
  readonly outputDir: string | undefined;
  readonly warnings: readonly ConfigIssue[];
}

/**
 * From what the user typed to images that can be planned. Throws one KibError with everything that is wrong: files that cannot be
 * read, unknown settings and names, wrong types, impossible combinations, variables of every source. Creates nothing.
 */
export async function configure(request: ConfigureRequest): Promise<Configuration> {
  const { registry, variables } = request;
  const problems = new Problems();
  const sources = { catalog: registry.catalog, cwd: variables.cwd };
  const loaded = (await Promise.all(request.targets.map((target) => loadImages(target, sources)))).flat();
  const read = await readVariables(variables);
  problems.add(...read.problems);
  const images: ConfiguredImage[] = [];
  const warnings = new Problems();
  warnings.add(...(read.warnings ?? []));
  let outputDir: string | undefined;
  for (const image of loaded) {
    const own = extended(registry, image);
    const root = rootSchema(own);
    const assigned = assignVariables(read.list, root, targetOf(image, read.list, own, variables.env));
    outputDir = assigned.outputDir;
    problems.add(...assigned.problems);
    warnings.add(...assigned.warnings);
    problems.add(...image.document.problems, ...namesTaken(registry, image));
    const configured = image.document.problems.length > 0 ? undefined : await one(image, assigned, root, own, problems);
    if (configured !== undefined) images.push(configured);
  }
  problems.throwIfAny();
  return { images: selected(images, request), outputDir, warnings: warnings.all };
}

/** What variables of image-builder are read for; what the image says wrong of it is said elsewhere. */
function targetOf(
  image: LoadedImage,
  list: readonly Variable[],
  { catalog, drivers }: Registry,
  env: VariableSources['env'],
): Target {
  const given = isSettings(image.document.value) ? image.document.value : {};
  const named = (...names: readonly string[]) => list.findLast(({ name }) => names.includes(name))?.value;
  const driver = named('driver', 'driver.name') ?? given['driver'];
  const name = isSettings(driver) ? driver['name'] : driver;
  const system = named('image') ?? given['image'];
  const os = typeof system === 'string' ? osNamed(catalog, system) : undefined;
  const recipes = isSettings(given['recipes']) ? given['recipes'] : {};
  return {
    family: os?.family,
    driver: typeof name === 'string' ? name : (drivers[0]?.name ?? ''),
    runtime: Object.hasOwn(recipes, 'crio') ? 'crio' : 'containerd',
    env,
  };
}

async function one(
  image: LoadedImage,
  assigned: Assignments,
  root: RootSchema,
  registry: Registry,
  problems: Problems,
): Promise<ConfiguredImage | undefined> {
  const merged = mergeImage(image, assigned.list, root, registry);
  const resolution = await resolveImage(merged, root, registry);
  if ('image' in resolution) return { image: resolution.image, merged, root, registry };
  problems.add(...resolution.problems);
  return undefined;
}

/** Its own recipes that are called as one there already is. */
function namesTaken({ recipes }: Registry, { recipes: own, document }: LoadedImage): readonly Problem[] {
  const taken = own.filter(({ name }) => recipes.some((recipe) => recipe.name === name));
  return taken.map(({ name }) => ({
    path: `recipes.${name}`,
    source: document.locate(['recipes', name], 'key'),
    message: 'is the name of a recipe that comes along',
    hint: 'give yours another one; with `replaces` it takes the place of the other',
  }));
}

function extended(registry: Registry, image: LoadedImage): Registry {
  return {
    ...registry,
    recipes: [...registry.recipes, ...image.recipes],
    drivers: [...registry.drivers, ...image.drivers],
  };
}

function selected(images: readonly ConfiguredImage[], { only, except }: ConfigureRequest): readonly ConfiguredImage[] {
  const names = images.map(({ image }) => image.name);
  const issues = [
    ...(only ?? []).map((name) => ({ name, source: '--only' })),
    ...(except ?? []).map((name) => ({ name, source: '--except' })),
  ]
    .filter(({ name }) => !names.includes(name))
    .map(({ name, source }) => ({
      path: '',
      source: `${source} ${name}`,
      message: `no image has this name; there is ${names.join(', ')}`,
      hint: didYouMean(name, names),
    }));
  if (issues.length > 0) throw configError(issues);
  const chosen = images.filter(({ image }) => only?.includes(image.name) !== false && except?.includes(image.name) !== true);
  if (chosen.length === 0) throw configError([{ path: '', message: '--only and --except leave no image to build' }]);
  return chosen;
}
