import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineRecipe } from '../../../src/core/index.ts';
import { configuredImage } from '../../support/configured.ts';
import { testRegistry } from '../../support/registry.ts';

const crio = defineRecipe({
  name: 'crio',
  summary: 'Another container runtime',
  params: z.strictObject({}),
  optional: true,
  replaces: ['containerd'],
  steps: () => [],
});
const registry = { ...testRegistry, recipes: [...testRegistry.recipes, crio] };

async function recipesOf(text: string): Promise<readonly string[]> {
  const { image } = await configuredImage({ files: { 'node.yaml': `image: debian13\n${text}` }, registry });
  return image.recipes.map(({ recipe }) => recipe.name);
}

describe('a recipe that takes the place of another', () => {
  it.each([
    ['leaves it out when named', 'recipes:\n  crio:\nwithout: [kubernetes]\n', ['node', 'crio', 'seal']],
    ['does nothing when not named', '', ['node', 'containerd', 'kubernetes', 'seal']],
    ['does nothing when left out', 'recipes:\n  crio:\nwithout: [crio]\n', ['node', 'containerd', 'kubernetes', 'seal']],
    [
      'lets one stay that is named too, for the recipe to judge',
      'recipes:\n  crio:\n  containerd:\n',
      ['node', 'containerd', 'kubernetes', 'crio', 'seal'],
    ],
  ])('%s', async (_title, text, recipes) => {
    expect([...(await recipesOf(text))].sort()).toEqual([...recipes].sort());
  });
});
