import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { recipes } from '../../../recipes/index.ts';
import { defineRecipe, type Recipe } from '../../../src/core/index.ts';
import { orderRecipes } from '../../../src/plan/order.ts';

function recipe(name: string, ...after: string[]): { recipe: Recipe } {
  return { recipe: defineRecipe({ name, summary: name, params: z.strictObject({}), after, steps: () => [] }) };
}

const namesOf = (items: readonly { recipe: Recipe }[]) => items.map((item) => item.recipe.name);

describe('orderRecipes', () => {
  it('keeps the order given where nothing else is asked', () => {
    expect(namesOf(orderRecipes([recipe('b'), recipe('a'), recipe('c')]).ordered)).toEqual(['b', 'a', 'c']);
  });

  it('moves a recipe behind those it names, and no further', () => {
    const { ordered, issues } = orderRecipes([recipe('a', 'c'), recipe('b'), recipe('c'), recipe('d')]);
    expect(namesOf(ordered)).toEqual(['b', 'c', 'a', 'd']);
    expect(issues).toEqual([]);
  });

  it('ignores names of absent recipes', () => {
    expect(namesOf(orderRecipes([recipe('a', 'gone'), recipe('b')]).ordered)).toEqual(['a', 'b']);
  });

  it('puts seal last even when others come after it', () => {
    expect(namesOf(orderRecipes([recipe('seal'), recipe('mine'), recipe('other', 'mine')]).ordered)).toEqual([
      'mine',
      'other',
      'seal',
    ]);
  });

  it('names every recipe of a cycle', () => {
    const { ordered, issues } = orderRecipes([recipe('a', 'b'), recipe('b', 'a'), recipe('c')]);
    expect(namesOf(ordered)).toEqual(['c']);
    expect(issues).toEqual([expect.objectContaining({ message: 'a, b want to run after each other' })]);
  });

  it('finds the built-in recipes in order already', () => {
    const all = recipes.map((recipe) => ({ recipe }));
    expect(namesOf(orderRecipes(all).ordered)).toEqual(namesOf(all));
  });
});
