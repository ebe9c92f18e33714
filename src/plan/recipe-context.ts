import type { RecipeContext } from '../core/index.ts';
import type { ResolvedImage } from './resolved.ts';

/** The recipe whose parameters are the image's own `kubernetes` settings. */
export const KUBERNETES = 'kubernetes';

/** What the recipes of an image may look at. `recipes` must be in order already. */
export function recipeContext({ os, spec, recipes }: Pick<ResolvedImage, 'os' | 'spec' | 'recipes'>): RecipeContext {
  const names = recipes.map(({ recipe }) => recipe.name);
  return {
    os,
    arch: spec.arch,
    driver: typeof spec.driver === 'string' ? spec.driver : spec.driver.name,
    formats: spec.formats,
    kubernetes: names.includes(KUBERNETES) ? spec.kubernetes : undefined,
    recipes: names,
  };
}
