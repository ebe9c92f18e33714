import { z } from 'zod';
import { recipes } from '../../recipes/index.ts';
import { findOs } from '../../src/catalog/index.ts';
import {
  type Driver,
  type Exporter,
  imageSchema,
  KibError,
  type OsDefinition,
  type PrimitiveAction,
  type Recipe,
  type Sh,
} from '../../src/core/index.ts';
import { KUBERNETES } from '../../src/plan/recipe-context.ts';
import type { ChosenRecipe, ResolvedImage } from '../../src/plan/resolved.ts';

type ImageInput = Omit<z.input<typeof imageSchema>, 'image'>;

/** A catalog entry; tests name only those that exist. */
export function osOf(id: string): OsDefinition {
  const os = findOs(id);
  if (os === undefined) throw new Error(`no ${id} in the catalog`);
  return os;
}

/** An image as configuration would resolve it, with a driver that is never launched. */
export function resolvedImage(
  id: string,
  input: ImageInput = {},
  parts: Partial<ResolvedImage> & { registry?: readonly Recipe[] } = {},
): ResolvedImage {
  const { registry = recipes, ...overrides } = parts;
  const os = osOf(id);
  const spec = imageSchema.parse({ image: id, ...input });
  const base = os.bases[spec.arch]?.[0];
  if (base === undefined) throw new Error(`${id} has no base for ${spec.arch}`);
  return {
    name: spec.name ?? id,
    spec,
    os,
    base,
    firmware: spec.firmware ?? os.firmware[0] ?? 'uefi',
    driver,
    driverOptions: {},
    recipes: registry
      .filter(({ name, optional }) => !spec.without.includes(name) && (optional !== true || Object.hasOwn(spec.recipes, name)))
      .map((recipe): ChosenRecipe => {
        const params = recipe.name === KUBERNETES ? spec.kubernetes : recipe.params.parse(spec.recipes[recipe.name] ?? {});
        return { recipe, params };
      }),
    exporters: spec.formats.map((format) => ({ exporter: exporter(format), options: {} })),
    provisionFiles: {},
    ...overrides,
  };
}

const never = async (): Promise<never> => {
  throw new KibError('KIB_USAGE', 'this driver only previews');
};

const driver: Driver = {
  name: 'preview',
  summary: 'says what it would do',
  options: z.unknown(),
  capabilities: {
    arch: ['amd64', 'arm64'],
    firmware: ['bios', 'uefi'],
    formats: ['qcow2', 'raw', 'ova'],
    console: false,
    screenshot: false,
  },
  doctor: async () => [],
  preview: (machine) => [
    { title: 'start the machine', argv: ['preview', '--memory', String(machine.memoryBytes), '--name', 'a name'] },
  ],
  launch: never,
  reap: never,
};

function exporter(format: Exporter['format']): Exporter {
  return { format, summary: format, options: z.unknown(), tools: [], export: never };
}

/** Every script of the actions. */
export function scriptsOf(actions: readonly PrimitiveAction[]): readonly Sh[] {
  return actions.flatMap((action) => {
    if (action.kind === 'exec') return [action.script];
    return action.kind === 'reboot' && action.unless !== undefined ? [action.unless] : [];
  });
}
