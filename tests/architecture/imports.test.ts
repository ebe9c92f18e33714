import { describe, expect, it } from 'vitest';
import { readSources, type SourceFile } from '../support/sources.ts';

/** What each part may import besides itself; a part that is not named here may not exist. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'src/core': [],
  'src/io': ['src/core'],
  'src/transport': ['src/core', 'src/io'],
  'src/aws': ['src/core'],
  'src/publish': ['src/core', 'src/io', 'src/aws', 'src/export'],
  'src/catalog': ['src/core'],
  recipes: ['src/core'],
  cloudinit: ['src/core', 'src/io'],
  'src/export': ['src/core', 'src/io'],
  'src/plan': ['src/core'],
  'src/config': ['src/core', 'src/plan'],
  'src/ui': ['src/core'],
  'src/engine': ['src/core', 'src/io', 'src/plan', 'src/transport', 'src/export', 'cloudinit'],
  drivers: ['src/aws', 'src/core', 'src/io', 'src/transport', 'src/export', 'cloudinit'],
  'src/testing': ['src/core'],
  'src/cli': [
    'src/core',
    'src/config',
    'src/plan',
    'src/engine',
    'src/ui',
    'src/io',
    'src/transport',
    'cloudinit',
    'src/aws',
    'src/publish',
  ],
  'src/index.ts': ['src/core', 'src/config', 'src/plan', 'src/engine', 'src/cli'],
  bin: ['src/core', 'src/cli'],
};

/** The one file that knows which drivers, recipes, systems and formats there are. */
const REGISTRY = 'src/cli/registry.ts';
const REGISTERED = ['drivers', 'recipes', 'src/catalog', 'src/export'];

/** Packages of others that a part may use; parts not named may use any of package.json. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'src/core': ['zod'],
  'src/catalog': [],
  recipes: ['zod'],
  'src/plan': ['zod'],
};

const sources = await readSources(['bin', 'src', 'drivers', 'recipes', 'cloudinit']);

function partOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'src' ? `src/${second}` : first;
}

describe('direction of imports', () => {
  it('goes down only', () => {
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter(({ isOurs, target }) => isOurs && !isAllowed(file, partOf(target)))
        .map(({ target }) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps drivers apart', () => {
    const driverOf = (path: string) => (path.startsWith('drivers/') ? path.split('/')[1] : undefined);
    const wrong = sources.flatMap((file) =>
      file.imports
        .filter(
          ({ target }) =>
            driverOf(file.path) !== undefined && driverOf(target) !== undefined && driverOf(target) !== driverOf(file.path),
        )
        .map(({ target }) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('leaves pure parts without packages and without the host', () => {
    const wrong = sources.flatMap((file) => {
      const allowed = PACKAGES[partOf(file.path)];
      if (allowed === undefined) return [];
      return file.imports
        .filter(({ isOurs, target }) => !isOurs && !allowed.includes(target) && !isHarmless(file.path, target))
        .map(({ target }) => `${file.path} imports ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  it('has no cycles', () => {
    expect(cyclesOf(sources)).toEqual([]);
  });

  it('finds every file it imports', () => {
    const known = new Set(sources.map(({ path }) => path));
    const lost = sources.flatMap(({ path, imports }) =>
      imports.filter(({ isOurs, target }) => isOurs && !known.has(target)).map(({ target }) => `${path} imports ${target}`),
    );
    expect(lost).toEqual([]);
  });
});

function isAllowed(file: SourceFile, target: string): boolean {
  const own = partOf(file.path);
  if (own === target || ALLOWED[own]?.includes(target) === true) return true;
  return file.path === REGISTRY && REGISTERED.includes(target);
}

// Core may use all of Node; recipes and plans only what computes.
function isHarmless(path: string, target: string): boolean {
  if (!target.startsWith('node:')) return false;
  return (
    path.startsWith('src/core/') || ['node:url', 'node:path', 'node:path/posix', 'node:crypto', 'node:util'].includes(target)
  );
}

/** Each cycle of what runs, once, as `a → b → a`; types may refer to each other. */
function cyclesOf(files: readonly SourceFile[]): readonly string[] {
  const graph = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.filter(({ isOurs, isType }) => isOurs && !isType).map(({ target }) => target),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      found.push([...trail.slice(start), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}
