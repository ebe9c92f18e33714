import type { Recipe, RecipeContext } from '../core/index.ts';
import type { ChosenRecipe } from '../plan/resolved.ts';
import type { Findings } from './findings.ts';
import { dotted } from './report.ts';
import { KUBERNETES, type Registry } from './schema.ts';

/** The recipe without which an image would ship the build's login. */
const SEAL = 'seal';

/** The image's recipes in the order they run, each asked whether it fits the whole; undefined when a problem was found. */
export function resolveRecipes(found: Findings, registry: Registry): readonly ChosenRecipe[] | undefined {
  const { values, os } = found;
  if (found.failed('recipes') || found.failed('without') || values.recipes === undefined) return undefined;
  const without = values.without ?? [];
  if (without.includes(SEAL)) {
    found.add(['without', without.indexOf(SEAL)], 'cannot leave out seal: the image would ship the login of its build');
  }
  const named = values.recipes;
  const chosen = registry.recipes.filter(
    (recipe) => !without.includes(recipe.name) && (recipe.name === KUBERNETES || named[recipe.name] !== undefined),
  );
  const ordered = inOrder(chosen, found);
  if (ordered === undefined || os === undefined || values.arch === undefined || values.kubernetes === undefined) return undefined;
  const names = ordered.map((recipe) => recipe.name);
  const context: RecipeContext = {
    os,
    arch: values.arch,
    kubernetes: names.includes(KUBERNETES) ? values.kubernetes : undefined,
    recipes: names,
  };
  return ordered.map((recipe) => {
    const params = recipe.name === KUBERNETES ? values.kubernetes : named[recipe.name];
    validate(recipe, context, params, found);
    return { recipe, params };
  });
}

function validate(recipe: Recipe, context: RecipeContext, params: unknown, found: Findings): void {
  const above = recipe.name === KUBERNETES ? [KUBERNETES] : ['recipes', recipe.name];
  for (const { path, message, hint } of recipe.validate?.(context, params) ?? []) {
    // Paths are relative to the parameters; a full one (another setting is at fault) is taken as it is.
    const isFull = path === dotted(above) || path.startsWith(`${dotted(above)}.`);
    found.add([...(isFull ? [] : above), ...(path === '' ? [] : path.split('.'))], message, hint, 'KIB_RECIPE_INVALID');
  }
}

/** Registry order, moved only as far as `after` asks. */
function inOrder(recipes: readonly Recipe[], found: Findings): readonly Recipe[] | undefined {
  const waiting = [...recipes];
  const ordered: Recipe[] = [];
  while (waiting.length > 0) {
    const next = waiting.findIndex((recipe) => !waiting.some((other) => recipe.after?.includes(other.name)));
    if (next === -1) {
      const names = waiting.map((recipe) => recipe.name).join(', ');
      found.add(['recipes'], `these recipes wait for each other: ${names}`, undefined, 'KIB_RECIPE_INVALID');
      return undefined;
    }
    ordered.push(...waiting.splice(next, 1));
  }
  return ordered;
}
