import { z } from 'zod';
import { recipes } from '../../recipes/index.ts';
import { findOs } from '../../src/catalog/index.ts';
import {
  type Arch,
  type BaseSource,
  type Driver,
  type Exporter,
  imageSchema,
  KibError,
  LOCAL_BASES,
  type OsDefinition,
  type PrimitiveAction,
  type Recipe,
  type Sh,
} from '../../src/core/index.ts';
import { KUBERNETES } from '../../src/plan/recipe-context.ts';
import type { ChosenRecipe, ResolvedImage } from '../../src/plan/resolved.ts';
import { withFakeHostFiles } from './host-files.ts';

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
  const base = baseFor(os, spec.arch, overrides.driver ?? driver);
  return {
    name: spec.name ?? id,
    spec,
    os,
    base,
    firmware: spec.firmware ?? (spec.arch === 'arm64' ? 'uefi' : os.firmware[0]) ?? 'uefi',
    driver,
    driverOptions: {},
    recipes: registry
      .filter(({ name, optional }) => !spec.without.includes(name) && (optional !== true || Object.hasOwn(spec.recipes, name)))
      .map((recipe): ChosenRecipe => {
        const params =
          recipe.name === KUBERNETES ? spec.kubernetes : withFakeHostFiles(recipe.params.parse(spec.recipes[recipe.name] ?? {}));
        return { recipe, params };
      }),
    exporters: spec.formats
      .filter((format) => format !== 'ami' && format !== 'template')
      .map((format) => ({ exporter: exporter(format), options: {} })),
    provisionFiles: {},
    ...overrides,
  };
}

/** The catalog's first base that a driver can start from, else one that its user brings. */
function baseFor(os: OsDefinition, arch: Arch, { capabilities: { bases = LOCAL_BASES } }: Driver): BaseSource {
  const offered = os.bases[arch]?.find(({ kind }) => bases.includes(kind));
  if (offered !== undefined) return offered;
  return bases.includes('file')
    ? { kind: 'file', path: `/images/${os.id}.qcow2`, format: 'qcow2' }
    : { kind: 'ami', ami: { id: 'ami-0123456789abcdef0' } };
}

/** What `base: latest` means for a system on amd64. */
export function latestBase(id: string): Extract<BaseSource, { kind: 'cloud-image' }> {
  for (const source of osOf(id).bases.amd64 ?? []) {
    if (source.kind === 'cloud-image' && source.checksum.kind === 'file') return source;
  }
  throw new Error(`${id} has no latest base`);
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
