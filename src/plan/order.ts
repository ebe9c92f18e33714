import type { ConfigIssue, Recipe } from '../core/index.ts';

export interface OrderedRecipes<T> {
  /** Every recipe after those it names in `after`, otherwise in the order given; recipes of a cycle are left out. */
  readonly ordered: readonly T[];
  readonly issues: readonly ConfigIssue[];
}

/** Sorts recipes by `after`. Names in `after` that are not among them say nothing. `seal` is always last. */
export function orderRecipes<T extends { readonly recipe: Recipe }>(chosen: readonly T[]): OrderedRecipes<T> {
  const ordered: T[] = [];
  let waiting = chosen.filter(({ recipe }) => recipe.name !== SEAL);
  while (waiting.length > 0) {
    const names = new Set(waiting.map(({ recipe }) => recipe.name));
    const next = waiting.find(({ recipe }) => !(recipe.after ?? []).some((name) => names.has(name)));
    if (next === undefined) break;
    ordered.push(next);
    waiting = waiting.filter((item) => item !== next);
  }
  const cycle = waiting.map(({ recipe }) => recipe.name);
  return {
    ordered: [...ordered, ...chosen.filter(({ recipe }) => recipe.name === SEAL)],
    issues:
      cycle.length === 0
        ? []
        : [
            {
              path: 'recipes',
              message: `${cycle.join(', ')} want to run after each other`,
              hint: 'remove a name from an `after`',
            },
          ],
  };
}

/** The recipe whose steps run after the checks, right before the machine powers off. */
export const SEAL = 'seal';
