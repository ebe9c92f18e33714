import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../../src/cli/registry.ts';
import { configure } from '../../../src/config/configure.ts';
import { toJsonSchema } from '../../../src/config/schema.ts';
import { planBuild } from '../../../src/plan/planner.ts';
import { configuredImage, type Given, refused, report } from '../../support/configured.ts';
import { testRegistry } from '../../support/registry.ts';
import { root } from '../../support/sources.ts';

const MINE = `
import { defineRecipe } from 'kib-native/core';
import { z } from 'zod';
interface Params { readonly text: string; readonly size: number }
export default defineRecipe<Params>({
  name: 'mine',
  summary: 'mine',
  params: z.strictObject({ text: z.string(), size: z.number().default(3) }),
  steps: (_, { text, size }) => [{ kind: 'file', path: '/etc/mine', text: text.repeat(size) }],
});
`;
const PLAIN = (recipe: string) => `import { z } from 'zod'; export default ${recipe}`;
const params = 'z.strictObject({})';

const node = (recipes: string) => `image: debian13\nrecipes:\n${recipes}`;
const given = (yaml: string, files: Given['files'] = {}): Given => ({ files: { 'node.yaml': yaml, 'mine.ts': MINE, ...files } });

describe('a recipe in a file of its own', () => {
  it('is named by its path, and typed by its own schema', async () => {
    const { image } = await configuredImage(given(node('  ./mine.ts: { text: ab }\n')));
    const mine = image.recipes.find(({ recipe }) => recipe.name === 'mine');
    expect(mine?.params).toEqual({ text: 'ab', size: 3 });
    const plan = planBuild(image);
    const layer = plan.layers.find(({ name }) => name === 'mine');
    expect(layer?.actions).toMatchObject([{ kind: 'put', path: '/etc/mine', content: { text: 'ababab' } }]);
    expect(plan.layers.at(-1)?.name).toBe('mine');
  });

  it('goes by its name in variables', async () => {
    const { image } = await configuredImage({ ...given(node('  ./mine.ts: { text: ab }\n')), vars: ['recipes.mine.size=1'] });
    expect(image.recipes.find(({ recipe }) => recipe.name === 'mine')?.params).toEqual({ text: 'ab', size: 1 });
  });

  it('is found from the folder of the image file', async () => {
    const files = { 'images/node.yaml': node('  ../recipes/mine.ts: { text: x }\n'), 'recipes/mine.ts': MINE };
    const { image } = await configuredImage({ files, targets: ['images/node.yaml'] });
    expect(image.recipes.map(({ recipe }) => recipe.name)).toContain('mine');
  });

  it('has its parameters checked where they stand', async () => {
    expect(await report(given(node('  ./mine.ts:\n    text: 5\n    sizw: 2\n')))).toBe(
      [
        '2 problems:',
        '  node.yaml:4:11: recipes.mine.text: must be text, got 5 (put it in quotes: "5")',
        '  node.yaml:5:5: recipes.mine.sizw: is no known setting (did you mean recipes.mine.size?)',
      ].join('\n'),
    );
  });

  it.each([
    [
      'is not there',
      '  ./gone.ts: {}\n',
      {},
      'node.yaml:3:3: recipes../gone.ts: does not exist (paths start at the folder of the image file)',
    ],
    [
      'has no default export',
      '  ./a.mjs:\n',
      { 'a.mjs': 'export const motd = 1; export const b = 2;' },
      'node.yaml:3:3: recipes../a.mjs: has no default export, but exports b, motd',
    ],
    ['exports something else', '  ./a.mjs:\n', { 'a.mjs': PLAIN('() => 1') }, 'exports no recipe as default, but a function'],
    [
      'exports half a recipe',
      '  ./a.mjs:\n',
      { 'a.mjs': PLAIN("{ name: 'My Recipe', after: 'node', checks: [] }") },
      'exports no recipe: name must be lower-case letters, digits and hyphens; summary must say in a line what it does; params must be a schema of zod 4, such as z.strictObject({}); steps must be a function that returns actions; after must be a list of recipe names; checks must be a function',
    ],
    [
      'throws',
      '  ./a.mjs:\n',
      { 'a.mjs': 'throw new Error("no luck")' },
      'node.yaml:3:3: recipes../a.mjs: cannot be loaded: no luck',
    ],
    [
      'takes the name of another one',
      '  ./a.mjs:\n  ./b.mjs:\n',
      {
        'a.mjs': PLAIN(`{ name: 'x', summary: 'x', params: ${params}, steps: () => [] }`),
        'b.mjs': PLAIN(`{ name: 'x', summary: 'x', params: ${params}, steps: () => [] }`),
      },
      'node.yaml:4:3: recipes../b.mjs: is called x, as is ./a.mjs (give it another name)',
    ],
    [
      'takes the name of one of ours',
      '  ./a.mjs:\n',
      { 'a.mjs': PLAIN(`{ name: 'seal', summary: 'x', params: ${params}, steps: () => [] }`) },
      'node.yaml:3:3: recipes.seal: is the name of a recipe that comes along',
    ],
  ] as const)('that %s is refused', async (_, recipes, files, message) => {
    const error = await refused(given(node(recipes), files));
    expect(error.code).toBe('KIB_CONFIG_INVALID');
    expect(error.message).toContain(message);
  });

  it('tells where it does not parse', async () => {
    expect(await report(given(node('  ./a.ts:\n'), { 'a.ts': 'export default {\n  name: ,\n}' }))).toMatch(/a\.ts:2:\d+/);
  });

  it('is allowed for by the JSON Schema', () => {
    const { properties } = toJsonSchema(testRegistry) as { properties: { recipes: { patternProperties: object } } };
    const [pattern = ''] = Object.keys(properties.recipes.patternProperties);
    expect(['./mine.ts', '../a/b.mjs', '/x/y.js', 'mine.ts'].filter((key) => !new RegExp(pattern).test(key))).toEqual([]);
    expect(['containerd', 'guest-agent'].filter((key) => new RegExp(pattern).test(key))).toEqual([]);
  });
});

describe('the example', () => {
  it('is an image with a recipe of its own', async () => {
    const target = join(root, 'examples/own-recipe/node.yaml');
    const variables = { env: {}, varFiles: [], vars: [], flags: [], cwd: root };
    const { images } = await configure({ targets: [target], registry: await loadRegistry(), variables });
    const [configured] = images;
    if (configured === undefined) throw new Error('wanted an image');
    const plan = planBuild(configured.image);
    expect(plan.layers.at(-1)).toMatchObject({
      name: 'motd',
      actions: [
        { path: '/etc/motd', content: { text: 'This machine belongs to the platform team.\n' } },
        { title: 'remove /etc/update-motd.d' },
      ],
    });
    expect(plan.checks.map(({ name }) => name)).toContain('motd/owner');
  });
});
