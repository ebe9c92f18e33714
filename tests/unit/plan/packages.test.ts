import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineRecipe, isKibError, type PackageRepository, type PackageRequest, type Recipe } from '../../../src/core/index.ts';
import { planPackages, withPackageEnvironment } from '../../../src/plan/packages.ts';
import { osOf, scriptsOf } from '../../support/plan.ts';

function recipe(name: string, packages: readonly PackageRequest[], parts: Partial<Recipe> = {}) {
  const made = defineRecipe({ name, summary: name, params: z.unknown(), packages: () => packages, steps: () => [], ...parts });
  return { recipe: made, params: {} };
}

const contextOf = (id: string) =>
  ({ os: osOf(id), arch: 'amd64', driver: 'qemu', formats: ['qcow2'], kubernetes: undefined, recipes: [] }) as const;
const installOf = (recipes: Parameters<typeof planPackages>[0], id = 'rocky10') =>
  String(scriptsOf(planPackages(recipes, contextOf(id)).actions).at(-1))
    .replace(/^.* install ([^|;\n]*).*$/s, '$1')
    .trim();

describe('planPackages', () => {
  it('does nothing when nobody wants anything', () => {
    expect(planPackages([recipe('a', [])], contextOf('debian13'))).toMatchObject({
      repositories: [],
      before: [],
      sources: [],
      actions: [],
      after: [],
    });
  });

  it('changes the repositories of the base as one recipe says, and takes that back', () => {
    const packageSetup = () => ({ disabled: true, keep: false, upgrade: true, environment: { http_proxy: 'http://proxy:3128' } });
    const plan = planPackages([recipe('a', [], { packageSetup })], contextOf('debian13'));
    expect(plan.before.map(({ title }) => title)).toContain('leave the repositories of the base alone');
    expect(plan.after.map(({ title }) => title)).toEqual(['bring the repositories of the base back']);
    expect(plan.sources.map(({ title }) => title)).toEqual(['read what the package repositories sign']);
    expect(plan.actions.map(({ title }) => title)).toEqual(['upgrade all packages', 'reboot into the new kernel']);
    const [update, install, reboot] = withPackageEnvironment([...plan.sources, ...plan.actions], plan.setup);
    for (const action of [update, install]) expect(action).toMatchObject({ environment: { http_proxy: 'http://proxy:3128' } });
    expect(reboot).not.toHaveProperty('environment');
  });

  it('lets one recipe alone say how packages are installed', () => {
    const packageSetup = () => ({ keep: true, upgrade: false });
    const both = [recipe('a', [], { packageSetup }), recipe('b', [], { packageSetup })];
    expect(() => planPackages(both, contextOf('debian13'))).toThrow('more than one says how packages are installed');
  });

  it('does not depend on the order of recipes', () => {
    const one = recipe('a', [{ name: 'socat' }, { name: 'jq' }]);
    const two = recipe('b', [{ name: 'jq' }, { name: 'curl', version: '8' }, { name: 'curl' }]);
    expect(installOf([one, two])).toBe('curl-8 jq socat');
    expect(installOf([two, one])).toBe('curl-8 jq socat');
  });

  it('leaves services to the recipe that starts them', () => {
    const steps = () => [{ kind: 'service', unit: 'a.service', enabled: true, state: 'restarted' } as const];
    const { actions } = planPackages([recipe('a', [{ name: 'a' }], { steps })], contextOf('debian13'));
    expect(String(scriptsOf(actions).at(-1))).toContain('*.timer | a.service)');
  });

  it('brings what holding needs', () => {
    const holding = recipe('a', [{ name: 'jq' }], { steps: () => [{ kind: 'hold', packages: ['jq'] }] });
    expect(installOf([holding])).toBe('jq python3-dnf-plugin-versionlock');
    expect(installOf([holding], 'debian13')).toBe('jq');
  });

  it('says which repositories it adds, each once', () => {
    const repository: PackageRepository = {
      name: 'r',
      title: 'r',
      key: 'k',
      apt: { uri: 'https://a.example/', suite: '/', components: [] },
    };
    const recipes = ['a', 'b'].map((name) => recipe(name, [], { repositories: () => [repository] }));
    expect(planPackages(recipes, contextOf('debian13')).repositories).toEqual([repository]);
  });

  it('refuses one repository under two names, which apt would not read', () => {
    const repository = (name: string, uri: string): PackageRepository => ({
      name,
      title: name,
      key: name,
      apt: { uri, suite: 'stable', components: ['main'] },
    });
    const wanting = (...uris: readonly string[]) =>
      uris.map((uri, index) => recipe(`r${index}`, [], { repositories: () => [repository(`n${index}`, uri)] }));
    expect(() => planPackages(wanting('https://a.example/d', 'https://a.example/d/'), contextOf('debian13'))).toThrow(
      /n0 and n1 are the same package repository: https:\/\/a\.example\/d stable/,
    );
    expect(planPackages(wanting('https://a.example/d', 'https://b.example/d'), contextOf('debian13')).repositories).toHaveLength(
      2,
    );
  });

  it('names all contradictions at once', () => {
    const repository = (uri: string): PackageRepository => ({
      name: 'r',
      title: 'r',
      key: 'k',
      apt: { uri, suite: '/', components: [] },
    });
    const plan = () =>
      planPackages(
        [
          recipe('a', [{ name: 'jq', version: '1' }], { repositories: () => [repository('https://a.example/')] }),
          recipe('b', [{ name: 'jq', version: '2' }], { repositories: () => [repository('https://b.example/')] }),
        ],
        contextOf('rocky10'),
      );
    expect(plan).toThrow(/want jq in different versions: 1, 2[^]*r in different ways[^]*r has nothing for dnf/);
    expect(plan).toThrow(expect.toSatisfy((error) => isKibError(error) && error.code === 'KIB_RECIPE_INVALID'));
  });
});
