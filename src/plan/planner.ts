import {
  type Action,
  type BuildPlan,
  type Check,
  type ConfigIssue,
  configError,
  type Download,
  type Layer,
  type Place,
  type PlannedAction,
  type PrimitiveAction,
  type RecipeContext,
} from '../core/index.ts';
import { actionInputs, bootInputs, type KeyFacts, layerKey } from './keys.ts';
import { lower } from './lower.ts';
import { machineOf } from './machine.ts';
import { orderRecipes, SEAL } from './order.ts';
import { planPackages, withPackageEnvironment } from './packages.ts';
import { layerOf, PROVISION, planProvision } from './provision.ts';
import { recipeContext } from './recipe-context.ts';
import { downloadsOf, requirementsOf } from './requirements.ts';
import type { ChosenRecipe, ResolvedImage } from './resolved.ts';

/** Layers that are nobody's recipe. */
const RESERVED = ['boot', 'repositories', 'packages', PROVISION];

/** A layer before it has a key. */
interface Part {
  readonly name: string;
  readonly actions: readonly PrimitiveAction[];
}

/**
 * Everything a build will do. Pure. `digests` are those read from checksum files (by the URL of what they are digests of) and, for
 * `file:` URLs without one, those of the files; without them some requirements have none yet and layer keys count the URL instead. `facts`
 * count in the layer keys alone.
 * Throws KIB_CONFIG_INVALID or KIB_RECIPE_INVALID with everything that is wrong.
 */
export function planBuild(
  image: ResolvedImage,
  digests: ReadonlyMap<string, string> = new Map(),
  facts: KeyFacts = {},
): BuildPlan {
  const { ordered, issues } = orderRecipes(image.recipes);
  const context = recipeContext({ ...image, recipes: ordered });
  requireSound(ordered, context, issues);

  const recipes = ordered.filter(({ recipe }) => recipe.name !== SEAL);
  const steps = new Map(ordered.map(({ recipe, params }) => [recipe.name, recipe.steps(context, params)]));
  const prepare = ordered.flatMap(({ recipe, params }) => recipe.prepare?.(context, params) ?? []);
  const takenBack = ordered.toReversed().flatMap(({ recipe, params }) => recipe.seal?.(context, params) ?? []);
  const provision = planProvision({ ...image, recipes: ordered });
  const downloads: readonly Download[] = [
    ...[prepare, takenBack, ...steps.values()].flatMap(downloadsOf),
    ...provision.downloads,
  ];
  const requirements = requirementsOf(downloads, digests);
  const packages = planPackages(ordered, context);
  const ships = ordered.flatMap(({ recipe, params }) => recipe.ships?.(context, params) ?? []);
  const lowered = (actions: readonly Action[]) => withPackageEnvironment(lowerAll(actions, context), packages.setup);
  const own = (at: Place): Part => ({ name: layerOf({ at }), actions: provision.at(at) });
  const parts: readonly Part[] = [
    own('before-packages'),
    ...packageParts([...packages.before, ...lowered(prepare)], lowered(packages.sources), lowered(packages.actions)),
    own('after-packages'),
    own('before-recipes'),
    ...recipes.flatMap(({ recipe: { name } }) => [
      { name, actions: lowered(steps.get(name) ?? []) },
      { name: layerOf({ after: name }), actions: provision.after(name) },
    ]),
    own('after-recipes'),
  ];
  const sealing = lowered(steps.get(SEAL) ?? []);
  const removesLogin = sealing.slice(-1);
  const seal = named({
    name: SEAL,
    actions: [...lowered(takenBack), ...packages.after, ...sealing.slice(0, -1), ...provision.at('after-seal'), ...removesLogin],
  });
  requireDeclared([...parts, { name: SEAL, actions: seal }], downloads);

  const machine = machineOf(image);
  const driver = { name: image.driver.name, options: image.driverOptions };
  const bootInput = bootInputs(image.base, machine, driver, digests, facts);
  const boot: Layer = { name: 'boot', key: layerKey('', bootInput), inputs: bootInput, actions: [] };
  return {
    v: 1,
    name: context.kubernetes === undefined ? image.name : `${image.name}-kube-${context.kubernetes.version}`,
    os: image.os,
    base: image.base,
    driver: { ...driver, preview: image.driver.preview(machine, image.driverOptions) },
    machine,
    recipes: ordered.map(({ recipe, params }) => ({ name: recipe.name, params })),
    layers: parts
      .filter(({ actions }) => actions.length > 0)
      .reduce<readonly Layer[]>(
        (layers, part) => {
          const parent = layers.at(-1) ?? boot;
          const actions = named(part);
          const inputs = actionInputs(actions, requirements, facts);
          return [...layers, { name: part.name, key: layerKey(parent.key, inputs), inputs, actions }];
        },
        [boot],
      ),
    repositories: packages.repositories,
    ...(packages.setup === undefined ? {} : { packageSetup: packages.setup }),
    checks: checksOf(ordered, context),
    seal,
    exports: [
      ...image.exporters.map(({ exporter, options }) => ({ format: exporter.format, options })),
      ...image.spec.formats
        .filter((format) => format === 'ami' || format === 'template')
        .map((format) => ({ format, options: {} })),
    ],
    requirements,
    ...(ships.length === 0 ? {} : { ships }),
    properties: Object.assign(
      { DISTRO_NAME: image.os.distribution, DISTRO_VERSION: image.os.version, DISTRO_ARCH: image.spec.arch },
      ...ordered.map(({ recipe, params }) => recipe.properties?.(context, params) ?? {}),
    ),
  };
}

/** Reading what repositories sign takes long and depends on no package, so it is worth a layer; the files that name them alone are not. */
function packageParts(
  before: readonly PrimitiveAction[],
  sources: readonly PrimitiveAction[],
  install: readonly PrimitiveAction[],
): readonly Part[] {
  const areRead = sources.some((action) => action.kind === 'exec' && action.packages === true);
  if (!areRead) return [{ name: 'packages', actions: [...before, ...sources, ...install] }];
  return [
    { name: 'repositories', actions: [...before, ...sources] },
    { name: 'packages', actions: install },
  ];
}

function requireSound(ordered: readonly ChosenRecipe[], context: RecipeContext, orderIssues: readonly ConfigIssue[]): void {
  const { recipes } = context;
  const issues: ConfigIssue[] = [...orderIssues];
  for (const name of recipes.filter((name) => RESERVED.includes(name) || name.startsWith(`${PROVISION}-`))) {
    issues.push({ path: 'recipes', message: `a recipe cannot be called ${name}`, hint: 'that is the name of a layer' });
  }
  for (const name of recipes.filter((name, index) => recipes.indexOf(name) !== index)) {
    issues.push({ path: 'recipes', message: `${name} is there twice` });
  }
  if (!recipes.includes(SEAL)) {
    issues.push({
      path: 'without',
      message: 'seal cannot be left out',
      hint: 'it removes the login of the build from the image',
    });
  }
  if (issues.length > 0) throw configError(issues, 'KIB_RECIPE_INVALID');
  const problems = ordered.flatMap(({ recipe, params }) => recipe.validate?.(context, params) ?? []);
  if (problems.length > 0) throw configError(problems);
}

/** A put of a download that no action declares would have no digest. */
function requireDeclared(parts: readonly Part[], downloads: readonly Download[]): void {
  const declared = new Set(downloads.map(({ url }) => url));
  const issues = parts.flatMap(({ name, actions }) =>
    actions.flatMap((action): readonly ConfigIssue[] => {
      if (action.kind !== 'put' || action.content.kind !== 'download' || declared.has(action.content.url)) return [];
      return [
        {
          path: `recipes.${name}`,
          message: `puts ${action.content.url} without saying its digest`,
          hint: 'use a download action',
        },
      ];
    }),
  );
  if (issues.length > 0) throw configError(issues, 'KIB_RECIPE_INVALID');
}

function lowerAll(actions: readonly Action[], { os }: RecipeContext): readonly PrimitiveAction[] {
  return actions.flatMap((action) => lower(action, os));
}

function named({ name, actions }: Part): readonly PlannedAction[] {
  return actions.map((action, index) => ({ ...action, id: `${name}/${index + 1}`, recipe: name }));
}

function checksOf(ordered: readonly ChosenRecipe[], context: RecipeContext): readonly Check[] {
  const checks = ordered.flatMap(({ recipe, params }) => recipe.checks?.(context, params) ?? []);
  const names = checks.map(({ name }) => name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  if (twice.length === 0) return checks;
  throw configError(
    twice.map((name) => ({ path: 'recipes', message: `two checks are called ${name}` })),
    'KIB_RECIPE_INVALID',
  );
}
