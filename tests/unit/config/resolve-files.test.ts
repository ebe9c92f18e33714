import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineRecipe, type HostFile, hostFile, sha256 } from '../../../src/core/index.ts';
import { configuredImage, report } from '../../support/configured.ts';
import { testRegistry } from '../../support/registry.ts';

const lists = defineRecipe({
  name: 'lists',
  summary: 'Names host files',
  optional: true,
  params: z.strictObject({
    list: hostFile({ text: true }).optional().describe('Read'),
    archives: z.array(hostFile()).default([]).describe('Put'),
  }),
  validate: (_context, { list }) => (list?.text === 'wrong\n' ? [{ path: 'list', message: 'is wrong' }] : []),
  steps: () => [],
});
const registry = { ...testRegistry, recipes: [...testRegistry.recipes, lists] };
const yaml = (params: string) => `image: debian13\nrecipes:\n  lists:\n    ${params}\n`;
const paramsOf = async (files: Record<string, string>, more: object = {}) => {
  const { image } = await configuredImage({ files, registry, ...more });
  return image.recipes.find(({ recipe }) => recipe.name === 'lists')?.params;
};

describe('host files that recipes name', () => {
  it('are read relative to the image file', async () => {
    const params = await paramsOf(
      {
        'images/node.yaml': yaml('{ list: list.json, archives: [../a.tar] }'),
        'images/list.json': '[]\n',
        'a.tar': 'tar',
      },
      { targets: ['images/node.yaml'] },
    );
    expect(params).toEqual({
      list: { path: expect.stringMatching(/\/images\/list\.json$/) as string, sha256: sha256('[]\n') },
      archives: [{ path: expect.stringMatching(/kib-test-\w+\/a\.tar$/) as string, sha256: sha256('tar') }],
    });
  });

  it('are read relative to the working folder when a flag names them', async () => {
    const params = await paramsOf(
      { 'images/node.yaml': yaml('{}'), 'list.json': '[1]' },
      { targets: ['images/node.yaml'], vars: ['recipes.lists.list=list.json'] },
    );
    expect((params as { list: HostFile }).list.text).toBe('[1]');
    expect(JSON.stringify(params)).not.toContain('[1]');
  });

  it('are all reported when they are not there, with the place that names them', async () => {
    const files = { 'node.yaml': yaml('{ list: lists.json, archives: [a.tar, "."] }'), 'list.json': '' };
    expect(await report({ files, registry })).toBe(`3 problems:
  node.yaml:4:13: recipes.lists.list: <dir>/lists.json does not exist (did you mean list.json?)
  node.yaml:4:36: recipes.lists.archives[0]: <dir>/a.tar does not exist
  node.yaml:4:43: recipes.lists.archives[1]: <dir> is not a file`);
  });

  it('are what validate looks into', async () => {
    const files = { 'node.yaml': yaml('list: list.json'), 'list.json': 'wrong\n' };
    expect(await report({ files, registry })).toBe('node.yaml:4:11: recipes.lists.list: is wrong');
  });

  it('must be text where text is wanted', async () => {
    const files = { 'node.yaml': yaml('list: list.json'), 'list.json': '\0' };
    expect(await report({ files, registry })).toContain('is binary; want a text file');
  });
});
