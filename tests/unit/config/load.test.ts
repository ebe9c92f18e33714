import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadImages } from '../../../src/config/load.ts';
import { testRegistry } from '../../support/registry.ts';
import { workspace } from '../../support/workspace.ts';

async function load(target: string, files: Readonly<Record<string, string | Uint8Array>> = {}) {
  const cwd = await workspace(files);
  return loadImages(target, { catalog: testRegistry.catalog, cwd });
}

async function problemsOf(target: string, content: string | Uint8Array): Promise<readonly string[]> {
  const images = await load(target, { [target]: content });
  return images.flatMap(({ document }) => document.problems.map(({ source, message }) => `${source}: ${message}`));
}

describe('data files', () => {
  it('takes a catalog name for an image', async () => {
    const [image] = await load('debian13');
    expect(image?.document.value).toEqual({ image: 'debian13' });
    expect(image?.document.locate(['kubernetes', 'version'], 'value')).toBe('debian13');
  });

  it.each([
    ['debian-13', { image: 'debian13' }],
    ['build-qemu-debian-13', { image: 'debian13', driver: 'qemu', formats: ['qcow2'] }],
    ['build-node-ova-local-debian-13-efi', { image: 'debian13', driver: 'qemu', formats: ['ova'], firmware: 'uefi' }],
  ])('takes image-builder’s name %s', async (name, value) => {
    const [image] = await load(name);
    expect(image?.document.value).toEqual(value);
  });

  it('reads YAML and JSON, with or without a byte order mark', async () => {
    expect((await load('a.yml', { 'a.yml': '\uFEFFimage: debian13\n' }))[0]?.document.value).toEqual({ image: 'debian13' });
    expect((await load('a.json', { 'a.json': '{"image":"debian13"}' }))[0]?.document.value).toEqual({ image: 'debian13' });
  });

  it.each([
    ['an empty file', '', ['node.yaml:1:1: is empty; want at least a line such as image: debian13']],
    ['a file of comments', '# nothing\n', ['node.yaml:1:1: is empty; want at least a line such as image: debian13']],
    ['a list', '- image: debian13\n', ['node.yaml:1:1: must hold settings such as image: debian13, got a list']],
    ['a word', 'debian13\n', ['node.yaml:1:1: must hold settings such as image: debian13, got "debian13"']],
    ['a disk image', new Uint8Array([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3]), ['node.yaml: is binary; want a text file']],
    ['UTF-16', new Uint8Array([0xff, 0xfe, 0x69, 0x00]), ['node.yaml: is UTF-16; save it as UTF-8']],
    ['Latin-1', Buffer.from('image: debian13\nname: caf\xe9\n', 'latin1'), ['node.yaml:2:1: is not UTF-8 text']],
    ['two megabytes', 'x'.repeat(2 * 1024 * 1024), ['node.yaml: is larger than 1 MiB; want a small text file']],
  ])('says what is wrong with %s', async (_, content, expected) => {
    expect(await problemsOf('node.yaml', content)).toEqual(expected);
  });

  it('says that a link leads nowhere', async () => {
    const cwd = await workspace();
    await symlink('gone.yaml', join(cwd, 'node.yaml'));
    const [image] = await loadImages('node.yaml', { catalog: [], cwd });
    expect(image?.document.problems[0]).toMatchObject({ message: 'is a symbolic link to a file that does not exist' });
  });

  it('says that a folder is no file', async () => {
    const [image] = await load('node.yaml', { 'node.yaml/inside': '' });
    expect(image?.document.problems[0]?.message).toBe('is a folder; want a file');
  });
});

describe('modules', () => {
  const image = "{ image: 'debian13', cpus: 3 }";

  it.each([
    ['images.mjs', `export default ${image}`],
    ['images.mts', `const image: { image: string; cpus: number } = ${image}; export default image;`],
    ['images.ts', `interface Image { image: string; cpus: number } const image: Image = ${image}; export default image;`],
  ])('reads %s', async (name, text) => {
    const images = await load(name, { [name]: text, 'package.json': '{"type":"module"}' });
    expect(images.map(({ document }) => document.value)).toEqual([{ image: 'debian13', cpus: 3 }]);
  });

  it('reads TypeScript that imports packages made of modules alone, in a folder without package.json', async () => {
    const images = await load('images.ts', {
      'images.ts': `import { cpus } from 'only-esm'; export default { image: 'debian13', cpus } as const;`,
      'node_modules/only-esm/package.json': '{"type":"module","exports":{"import":"./index.js"}}',
      'node_modules/only-esm/index.js': 'export const cpus = 3;',
    });
    expect(images.map(({ document }) => document.value)).toEqual([{ image: 'debian13', cpus: 3 }]);
  });

  it('reads a list, a promise, and recipes that come along', async () => {
    const recipe = `{ name: 'mine', summary: '', params: { safeParse() {} }, steps: () => [] }`;
    const text = `export const recipes = [${recipe}]; export default Promise.resolve([${image}, { image: 'rocky10' }, 5]);`;
    const images = await load('images.mjs', { 'images.mjs': text });
    expect(images.map(({ document }) => document.label)).toEqual(['images.mjs[0]', 'images.mjs[1]', 'images.mjs[2]']);
    expect(images[0]?.recipes.map(({ name }) => name)).toEqual(['mine']);
    expect(images[2]?.document.problems[0]?.message).toBe('must hold settings such as image: debian13, got 5');
  });

  it.each([
    ['throws', 'throw new Error("no luck")', /cannot be loaded: no luck/],
    ['does not parse', 'export default {', /cannot be loaded: /],
    ['has no default export', 'export const a = 1', /has no default export; want export default defineImage/],
    ['has a function for an image', 'export default () => ({})', /must hold settings such as image: debian13, got a function/],
    ['exports an empty list', 'export default []', /exports an empty list; want at least one image/],
    ['exports recipes that are no list', 'export const recipes = 1; export default {}', /export recipes must be a list/],
    [
      'exports something else as a recipe',
      'export const recipes = [{ name: "x" }]; export default {}',
      /recipes\[0\] is no recipe/,
    ],
    ['exports something else as a driver', 'export const drivers = [null]; export default {}', /drivers\[0\] is no driver/],
  ])('says so when a module %s', async (_, text, expected) => {
    expect((await problemsOf('images.mjs', text))[0]).toMatch(expected);
  });
});

describe('values', () => {
  it.each([
    ['nothing', null, 'is empty; want at least a line such as image: debian13'],
    ['a list', [], 'must hold settings such as image: debian13, got a list'],
  ])('refuses %s in place of an image', async (_, value, message) => {
    const [image] = await loadImages(value as never, { catalog: [], cwd: '/' });
    expect(image?.document.problems[0]).toMatchObject({ source: 'image', message });
  });
});
