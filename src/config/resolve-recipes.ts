import type { ImageSpec, Recipe, RecipeContext } from '../core/index.ts';
import { orderRecipes, SEAL } from '../plan/order.ts';
import { KUBERNETES, recipeContext } from '../plan/recipe-context.ts';
import type { ChosenRecipe } from '../plan/resolved.ts';
import type { Findings } from './findings.ts';
import type { Registry } from './schema.ts';

/** The image's recipes in the order they run, each asked whether it fits the whole; undefined when a problem was found. */
export function resolveRecipes(found: Findings, registry: Registry): readonly ChosenRecipe[] | undefined {
  const { values, os } = found;
  if (found.failed('recipes') || found.failed('without') || values.recipes === undefined) return undefined;
  const without = values.without ?? [];
  if (without.includes(SEAL)) {
    found.add(['without', without.indexOf(SEAL)], 'cannot leave out seal: the image would ship the login of its build');
  }
  const params: Readonly<Record<string, unknown>> = { ...values.recipes, [KUBERNETES]: values.kubernetes };
  const chosen = registry.recipes
    .filter(({ name }) => !without.includes(name) && (name === KUBERNETES || params[name] !== undefined))
    .map((recipe): ChosenRecipe => ({ recipe, params: params[recipe.name] }));
  const { ordered, issues } = orderRecipes(chosen);
  for (const { message, hint } of issues) found.add(['recipes'], message, hint, 'KIB_RECIPE_INVALID');
  const { arch, kubernetes, driver, formats } = values;
  if (issues.length > 0 || os === undefined || arch === undefined || kubernetes === undefined) return undefined;
  if (driver === undefined || formats === undefined) return undefined;
  const context = recipeContext({ os, spec: values as ImageSpec, recipes: ordered });
  for (const { recipe, params } of ordered) validate(recipe, context, params, found);
  return ordered;
}

function validate(recipe: Recipe, context: RecipeContext, params: unknown, found: Findings): void {
  const above = recipe.name === KUBERNETES ? [KUBERNETES] : ['recipes', recipe.name];
  for (const { path, message, hint } of recipe.validate?.(context, params) ?? []) {
    // Relative to the parameters, or the full path of another setting that is at fault.
    const isFull = /^(recipes|kubernetes|without)(\.|$)/.test(path);
    const segments = path === '' ? [] : path.split('.');
    found.add(isFull ? segments : [...above, ...segments], message, hint, 'KIB_RECIPE_INVALID');
  }
}
