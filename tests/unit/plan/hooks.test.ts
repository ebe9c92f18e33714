import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Action, defineRecipe, type Recipe, raw } from '../../../src/core/index.ts';
import { planBuild } from '../../../src/plan/planner.ts';
import { resolvedImage } from '../../support/plan.ts';

const exec = (script: string): Action => ({ kind: 'exec', title: script, script: raw(script), timeoutMs: 1000 });

function recipe(name: string, parts: Partial<Recipe> = {}): Recipe {
  return defineRecipe({ name, summary: '', params: z.strictObject({}), steps: () => [], ...parts });
}

const seal = recipe('seal', { steps: () => [exec('seal it')] });
const plan = (registry: readonly Recipe[], digests?: ReadonlyMap<string, string>) =>
  planBuild(resolvedImage('debian13', {}, { registry: [...registry, seal] }), digests);
const titlesOf = (actions: readonly { readonly title: string }[] = []) => actions.map(({ title }) => title);

describe('prepare', () => {
  const wants = recipe('wants', { packages: () => [{ name: 'jq' }] });

  it('comes before the packages, in the order of recipes', () => {
    const first = recipe('first', { prepare: () => [exec('one'), exec('two')] });
    const last = recipe('last', { prepare: () => [{ kind: 'file', path: '/etc/three', text: '' }], after: ['first'] });
    const { layers } = plan([last, wants, first]);
    expect(layers.map(({ name }) => name)).toEqual(['boot', 'repositories', 'packages']);
    expect(titlesOf(layers[1]?.actions)).toEqual(['one', 'two', 'write /etc/three', 'read what the package repositories sign']);
    expect(layers[1]?.actions.map(({ id }) => id)).toEqual([1, 2, 3, 4].map((place) => `repositories/${place}`));
    expect(titlesOf(layers[2]?.actions)).toEqual(['install jq']);
  });

  it('comes after the repositories of the base were changed', () => {
    const packageSetup = () => ({
      files: [{ path: '/etc/apt/sources.list.d/a.list', text: '', keep: true }],
      keep: true,
      upgrade: false,
    });
    const { layers } = plan([recipe('setup', { packageSetup, prepare: () => [exec('one')] })]);
    expect(titlesOf(layers[1]?.actions)).toEqual(['write /etc/apt/sources.list.d/a.list', 'one']);
  });

  it('is an input of the layer of packages and of all after it', () => {
    const node = recipe('node', { steps: () => [exec('node')] });
    const keys = (script: string) => {
      const { layers } = plan([recipe('setup', { prepare: () => [exec(script)] }), wants, node]);
      return Object.fromEntries(layers.map(({ name, key }) => [name, key]));
    };
    const [one, same, two] = [keys('one'), keys('one'), keys('two')];
    expect(same).toEqual(one);
    expect(two['boot']).toBe(one['boot']);
    expect(two['packages']).not.toBe(one['packages']);
    expect(two['node']).not.toBe(one['node']);
  });

  it('has its downloads among the requirements, and their digests in the key', () => {
    const download = { url: 'https://example.org/key', checksumUrl: 'https://example.org/key.sha256', why: 'setup: key' };
    const setup = recipe('setup', { prepare: () => [{ kind: 'download', download, path: '/etc/key' }] });
    const { requirements } = plan([setup]);
    expect(requirements).toEqual([{ ...download, sha256: undefined }]);
    const key = (hex: string) => plan([setup], new Map([[download.url, hex]])).layers[1]?.key;
    expect(key('1')).not.toBe(key('2'));
  });
});

describe('seal of a recipe', () => {
  it('takes back last recipe first, before the recipe seal, and is in no layer', () => {
    const first = recipe('first', { seal: () => [exec('take back first')] });
    const last = recipe('last', { seal: () => [exec('take back last')], after: ['first'] });
    const { layers, seal: sealed } = plan([first, last]);
    expect(titlesOf(sealed)).toEqual(['take back last', 'take back first', 'seal it']);
    expect(sealed.map(({ id, recipe: name }) => [id, name])).toEqual([1, 2, 3].map((place) => [`seal/${place}`, 'seal']));
    expect(layers.map(({ name }) => name)).toEqual(['boot']);
  });

  it('comes before the base gets its repositories back', () => {
    const packageSetup = () => ({ disabled: true, keep: false, upgrade: false });
    const { seal: sealed } = plan([recipe('setup', { packageSetup, seal: () => [exec('unregister')] })]);
    expect(titlesOf(sealed)).toEqual(['unregister', 'bring the repositories of the base back', 'seal it']);
  });

  it('may need downloads too', () => {
    const download = { url: 'https://example.org/tool', sha256: 'a'.repeat(64), why: 'setup: tool' };
    const setup = recipe('setup', { seal: () => [{ kind: 'download', download, path: '/tool' }] });
    expect(plan([setup]).requirements.map(({ url }) => url)).toEqual([download.url]);
  });
});

describe('packageSetup', () => {
  it('is in the plan, and its variables are in everything that installs packages', () => {
    const environment = { http_proxy: 'http://proxy.example.org:3128' };
    const setup = recipe('setup', {
      packageSetup: () => ({ environment, keep: true, upgrade: false }),
      packages: () => [{ name: 'jq' }],
    });
    const later = recipe('later', { steps: () => [{ kind: 'install', packages: ['socat'] }, exec('true')] });
    const { layers, packageSetup } = plan([setup, later]);
    expect(packageSetup).toEqual({ environment, keep: true, upgrade: false });
    const actions = layers.flatMap((layer) => layer.actions);
    const variables = actions.map((action) => (action.kind === 'exec' ? [action.title, action.environment] : []));
    expect(variables).toEqual([
      ['read what the package repositories sign', environment],
      ['install jq', environment],
      ['install socat', environment],
      ['true', undefined],
    ]);
    expect(plan([later])).not.toHaveProperty('packageSetup');
  });
});
