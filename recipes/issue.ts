import type { Recipe } from '../src/core/index.ts';

/** What Recipe.validate returns. */
export type Issue = ReturnType<NonNullable<Recipe['validate']>>[number];
