import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { recipes } from '../../recipes/index.ts';
import { catalog } from '../../src/catalog/index.ts';
import { type Format, kubernetesSchema, type OsDefinition, type Recipe, type RecipeContext } from '../../src/core/index.ts';
import { lower } from '../../src/plan/lower.ts';
import { downloadsOf } from '../../src/plan/requirements.ts';
import { expectGolden } from '../support/golden.ts';
import { withFakeHostFiles } from '../support/host-files.ts';
import { osOf, scriptsOf } from '../support/plan.ts';
import { syntaxErrors } from '../support/shell.ts';

/**
 * Each file recipes/<recipe>/<case>.json holds what a recipe is given (context, params) and all it answers. To add a case write a file
 * with those two and run `npm run golden`.
 */
interface Case {
  readonly context: {
    readonly os: string;
    readonly arch?: 'amd64' | 'arm64';
    /** Settings of `kubernetes`, or null for an image without. */
    readonly kubernetes: Record<string, unknown> | null;
    readonly recipes: readonly string[];
    readonly driver?: string;
    readonly formats?: readonly Format[];
    /** What the host files hold that `params` names, where it matters. */
    readonly files?: Readonly<Record<string, string>>;
  };
  readonly params: Record<string, unknown>;
}

const folder = fileURLToPath(new URL('recipes', import.meta.url));

function answer(recipe: Recipe, { context: given, params: input }: Case) {
  const context: RecipeContext = {
    os: osOf(given.os),
    arch: given.arch ?? 'amd64',
    driver: given.driver ?? 'qemu',
    formats: given.formats ?? ['qcow2'],
    kubernetes: given.kubernetes === null ? undefined : kubernetesSchema.parse(given.kubernetes),
    recipes: given.recipes,
  };
  const params = withFakeHostFiles(recipe.params.parse(input), given.files);
  const actions = recipe.steps(context, params);
  const prepare = recipe.prepare?.(context, params);
  const seal = recipe.seal?.(context, params);
  const packageSetup = recipe.packageSetup?.(context, params);
  return {
    problems: recipe.validate?.(context, params) ?? [],
    ...(packageSetup === undefined ? {} : { packageSetup }),
    repositories: recipe.repositories?.(context, params) ?? [],
    packages: recipe.packages?.(context, params) ?? [],
    ...(prepare === undefined ? {} : { prepare }),
    actions,
    ...(seal === undefined ? {} : { seal }),
    downloads: downloadsOf([...(prepare ?? []), ...actions, ...(seal ?? [])]),
    checks: recipe.checks?.(context, params) ?? [],
    properties: recipe.properties?.(context, params) ?? {},
    scripts: scriptsOf([...(prepare ?? []), ...actions, ...(seal ?? [])].flatMap((action) => lower(action, context.os))),
  };
}

/** Text of several lines as a list of lines, so that reviews show which one changed. */
function readable(answered: unknown): Record<string, unknown> {
  const text = JSON.stringify(answered, (_key, member: unknown) =>
    typeof member === 'string' && member.includes('\n') ? member.split('\n') : member,
  );
  return JSON.parse(text) as Record<string, unknown>;
}

const cases = readdirSync(folder).flatMap((name) => readdirSync(`${folder}/${name}`).map((file) => [name, file] as const));

function read(name: string, file: string) {
  const given = JSON.parse(readFileSync(`${folder}/${name}/${file}`, 'utf8')) as Case;
  const recipe = recipes.find((candidate) => candidate.name === name);
  if (recipe === undefined) throw new Error(`no recipe is called ${name}`);
  return { given, ...answer(recipe, given) };
}

/** Systems that recipes tell apart, as image-builder does. */
const FAMILIES: Readonly<Record<string, (os: OsDefinition) => boolean>> = {
  Debian: ({ distribution }) => distribution === 'debian',
  Ubuntu: ({ distribution }) => distribution === 'ubuntu',
  'Enterprise Linux': ({ family, distribution }) => family === 'rhel' && distribution !== 'amzn',
  'Amazon Linux': ({ distribution }) => distribution === 'amzn',
  'Photon OS': ({ family }) => family === 'photon',
};

describe('recipes', () => {
  it('have golden cases, and no case is of a recipe that is gone', () => {
    expect(readdirSync(folder).sort()).toEqual(recipes.map(({ name }) => name).sort());
  });

  it.each(Object.entries(FAMILIES))('have a case of %s, each of them', (_family, isOf) => {
    const seen = new Set(cases.filter(([name, file]) => isOf(osOf(read(name, file).given.context.os))).map(([name]) => name));
    expect(recipes.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([]);
  });

  it('count every system of the catalog in', () => {
    expect(catalog.filter((os) => Object.values(FAMILIES).filter((isOf) => isOf(os)).length !== 1)).toEqual([]);
  });

  it.each(cases)('%s/%s is called refused when there is a problem, and not otherwise', (name, file) => {
    expect(file.startsWith('refused')).toBe(read(name, file).problems.length > 0);
  });

  it.each(cases)('%s/%s', (name, file) => {
    const { given, scripts: _, ...answered } = read(name, file);
    const { context, params } = given;
    expectGolden(`recipes/${name}/${file}`, `${JSON.stringify({ context, params, ...readable(answered) }, undefined, 2)}\n`);
  });

  it.each(cases)('%s/%s is shell that every sh can read', (name, file) => {
    const { scripts, checks } = read(name, file);
    const all = [...scripts, ...checks.map(({ script }) => script)];
    expect(all.map(({ text }) => syntaxErrors(text)).join('')).toBe('');
  });
});
