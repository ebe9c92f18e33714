import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderDocs } from '../../scripts/docs.ts';
import { loadRegistry } from '../../src/cli/registry.ts';
import { planBuild } from '../../src/plan/planner.ts';
import { configured } from '../support/configured.ts';
import { root } from '../support/sources.ts';

const registry = await loadRegistry();
const names = [
  'README.md',
  'CONTRIBUTING.md',
  'drivers/README.md',
  'examples/README.md',
  'recipes/README.md',
  ...(await readdir(join(root, 'docs'), { recursive: true })).map((name) => `docs/${name}`),
];
const pages = await Promise.all(
  names.filter((name) => name.endsWith('.md')).map(async (name) => ({ name, text: await readFile(join(root, name), 'utf8') })),
);

describe('generated pages', () => {
  it.each(Object.entries(renderDocs(registry)))('docs/%s is fresh; npm run gen writes it', async (name, text) => {
    expect(await readFile(join(root, 'docs', name), 'utf8')).toBe(text);
  });
});

/** Code blocks of a language, with the page they are on. */
function blocks(language: string): readonly { readonly name: string; readonly code: string }[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm');
  return pages.flatMap(({ name, text }) =>
    [...text.matchAll(fence)].map((match, index) => ({ name: `${name} #${index + 1}`, code: match[1] ?? '' })),
  );
}

/** Files of the reader's that examples name. */
const named = {
  'tune.sh': '#!/bin/sh\n',
  'motd.txt': 'hello\n',
  'etc/mine.conf': 'a = 1\n',
  'motd.ts': await readFile(join(root, 'examples/own-recipe/motd.ts'), 'utf8'),
};

describe('examples', () => {
  const yaml = blocks('yaml');

  it('are there', () => {
    expect(yaml.length).toBeGreaterThanOrEqual(4);
  });

  it.each(yaml)('$name is an image that can be built', async ({ code }) => {
    const { images } = await configured({ files: { ...named, 'node.yaml': code }, registry });
    expect(images).toHaveLength(1);
  });

  it.each(blocks('ts').filter(({ code }) => code.includes('export default')))('$name is a module of images', async ({ code }) => {
    const kib = pathToFileURL(join(root, 'src/index.ts')).href;
    const zod = pathToFileURL(join(root, 'node_modules/zod/index.js')).href;
    const text = code.replace("'kib-native'", `'${kib}'`).replace("'zod'", `'${zod}'`);
    const { images } = await configured({ files: { 'images.mts': text }, targets: ['images.mts'], registry });
    expect(images.map(({ image }) => image.name)).toEqual(['debian12', 'debian13']);
    expect(images[0]?.image.recipes.map(({ recipe }) => recipe.name)).toContain('motd');
  });
});

describe('drivers', () => {
  it.each(registry.drivers.map(({ name }) => [name]))(
    '%s has a page with a minimal image, and what it must be allowed',
    async (name) => {
      const text = pages.find((page) => page.name === `docs/drivers/${name}.md`)?.text ?? '';
      expect(text).toMatch(/^## (Permissions|Privileges)$/m);
      expect(text).toMatch(/never\W+met|never tried/i);
      const [first = ''] = [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, code]) => code);
      const { images } = await configured({ files: { 'node.yaml': first }, registry });
      expect(images.map(({ image }) => image.driver.name)).toEqual([name]);
      for (const { image } of images) expect(planBuild(image).layers.length).toBeGreaterThan(1);
      for (const { image } of images) if (image.driver.layers === undefined) expect(text).toMatch(/^- (No cached )?[Ll]ayers: /m);
    },
  );
});

describe('tables', () => {
  /** First column of the rows that begin with a name in backquotes, linked or not, and the second. */
  const rows = (name: string) =>
    [...(pages.find((page) => page.name === name)?.text ?? '').matchAll(/^\| \[?`([^`]+)`[^|]*\|\s*([^|]*?)\s*\|/gm)].map(
      ([, first, second]) => [first, second],
    );

  it('docs/recipes.md has every recipe, in the order they run', () => {
    const joins = (name: string, isOptional = false) => (name === 'seal' ? 'always' : isOptional ? 'when named' : 'by default');
    expect(rows('docs/recipes.md')).toEqual(registry.recipes.map(({ name, optional }) => [name, joins(name, optional)]));
  });

  it('drivers/README.md begins with every driver', () => {
    const names = registry.drivers.map(({ name }) => name);
    expect(
      rows('drivers/README.md')
        .map(([name]) => name)
        .slice(0, names.length),
    ).toEqual(names);
  });
});

describe('links', () => {
  it('lead to files that exist', async () => {
    const links = pages.flatMap(({ name, text }) =>
      [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)/g)].map((match) => ({
        name,
        path: join(root, dirname(name), match[1] ?? ''),
      })),
    );
    const lost = await Promise.all(
      links.map(({ name, path }) =>
        access(path).then(
          () => [],
          () => [`${name} → ${path}`],
        ),
      ),
    );
    expect(lost.flat()).toEqual([]);
  });
});
