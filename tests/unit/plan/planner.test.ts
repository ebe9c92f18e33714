import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { recipes } from '../../../recipes/index.ts';
import { type Action, defineRecipe, type Recipe, raw, Secret, sh } from '../../../src/core/index.ts';
import { planBuild } from '../../../src/plan/planner.ts';
import { latestBase, resolvedImage } from '../../support/plan.ts';

const seal = defineRecipe({ name: 'seal', summary: '', params: z.strictObject({}), steps: () => [exec('seal it')] });

function exec(script: string, title = script): Action {
  return { kind: 'exec', title, script: raw(script), timeoutMs: 1000 };
}

function recipe(name: string, steps: readonly Action[], parts: Partial<Recipe> = {}): Recipe {
  return defineRecipe({ name, summary: '', params: z.strictObject({}), steps: () => steps, ...parts });
}

function plan(registry: readonly Recipe[], digests?: ReadonlyMap<string, string>) {
  return planBuild(resolvedImage('debian13', {}, { registry: [...registry, seal] }), digests);
}

function keys(registry: readonly Recipe[], digests?: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(plan(registry, digests).layers.map(({ name, key }) => [name, key]));
}

describe('planBuild', () => {
  it('has a layer per recipe that does something, between boot and provision', () => {
    const registry = [
      recipe('first', [exec('a')]),
      recipe('nothing', []),
      recipe('wants', [], { packages: () => [{ name: 'jq' }] }),
      recipe('last', [exec('b')]),
      seal,
    ];
    const image = resolvedImage('debian13', { provision: [{ shell: 'true' }] }, { registry });
    const names = planBuild(image).layers.map(({ name }) => name);
    expect(names).toEqual(['boot', 'repositories', 'packages', 'first', 'last', 'provision']);
  });

  it('reads repositories in a layer of its own where that is a step of its own, whatever packages there are', () => {
    const layers = (id: string, name: string) => {
      const registry = [recipe('wants', [], { packages: () => [{ name }] }), seal];
      return planBuild(resolvedImage(id, {}, { registry })).layers;
    };
    expect(layers('rocky10', 'jq').map(({ name }) => name)).toEqual(['boot', 'packages']);
    const [one, other] = [layers('debian13', 'jq'), layers('debian13', 'socat')];
    expect(one.map(({ name }) => name)).toEqual(['boot', 'repositories', 'packages']);
    expect(other[1]).toEqual(one[1]);
    expect(other[2]?.key).not.toBe(one[2]?.key);
  });

  it('names actions by recipe and place, and keeps seal apart', () => {
    const { layers, seal } = plan([recipe('mine', [exec('one'), { kind: 'kernel-modules', name: 'k', modules: ['a'] }])]);
    expect(layers.at(-1)?.actions.map(({ id, recipe }) => [id, recipe])).toEqual([
      ['mine/1', 'mine'],
      ['mine/2', 'mine'],
      ['mine/3', 'mine'],
    ]);
    expect(seal.map(({ id }) => id)).toEqual(['seal/1']);
  });

  it('is called after the system and its Kubernetes, or as the image says', () => {
    expect(planBuild(resolvedImage('rocky10', { kubernetes: { version: 'v1.35.1' } })).name).toBe('rocky10-kube-v1.35.1');
    expect(planBuild(resolvedImage('rocky10', { without: ['kubernetes'] })).name).toBe('rocky10');
    expect(planBuild(resolvedImage('rocky10', { name: 'mine', without: ['kubernetes'] })).name).toBe('mine');
  });

  it('asks for packages of all recipes once', () => {
    const { layers } = planBuild(resolvedImage('ubuntu2404'));
    const packages = layers.find(({ name }) => name === 'packages');
    const installs = packages?.actions.filter((action) => action.kind === 'exec' && / install /.test(action.script.text));
    expect(installs).toHaveLength(1);
  });

  it('is the same for the same image', () => {
    expect(JSON.stringify(planBuild(resolvedImage('rocky10')))).toBe(JSON.stringify(planBuild(resolvedImage('rocky10'))));
  });

  it('never shows a secret', () => {
    const action: Action = {
      kind: 'exec',
      title: 'log in',
      script: sh`login ${new Secret('password', 'hunter2')}`,
      timeoutMs: 1,
    };
    expect(JSON.stringify(plan([recipe('mine', [action])]))).not.toContain('hunter2');
  });

  it('tells recipes whether there is Kubernetes', () => {
    const spy = recipe('spy', [], {
      properties: ({ kubernetes, recipes }) => ({ SEEN: `${kubernetes?.version} ${recipes.join()}` }),
    });
    expect(plan([spy]).properties['SEEN']).toBe('undefined spy,seal');
    const image = resolvedImage('debian13', { kubernetes: { version: 'v1.35.2' } }, { registry: [...recipes, spy] });
    expect(planBuild(image).properties['SEEN']).toMatch(/^v1\.35\.2 setup,node,.*,spy,seal$/);
  });
});

describe('layer keys', () => {
  const base = [recipe('one', [exec('a')]), recipe('two', [exec('b')]), recipe('three', [exec('c')])];
  const before = keys(base);

  it('stay when only a title, a deadline or the number of attempts changes', () => {
    const retitled: Action = { kind: 'exec', title: 'another title', script: raw('b'), timeoutMs: 9, attempts: 3 };
    expect(keys(base.with(1, recipe('two', [retitled])))).toEqual(before);
  });

  it('change with the content, for that layer and all after it', () => {
    const after = keys(base.with(1, recipe('two', [exec('b2')])));
    expect(after['boot']).toBe(before['boot']);
    expect(after['one']).toBe(before['one']);
    expect(after['two']).not.toBe(before['two']);
    expect(after['three']).not.toBe(before['three']);
  });

  it('change with mode, owner and text of a file', () => {
    const file: Action = { kind: 'file', path: '/a', text: 'x' };
    const variants = [
      file,
      { ...file, text: 'y' },
      { ...file, mode: '0600' },
      { ...file, owner: 'root:adm' },
      { ...file, path: '/b' },
    ];
    expect(new Set(variants.map((variant) => keys([recipe('one', [variant])])['one'])).size).toBe(variants.length);
  });

  it('count downloads by digest, wherever they come from', () => {
    const from = (url: string): Action => ({
      kind: 'download',
      download: { url, checksumUrl: `${url}.sha256`, why: '' },
      path: '/a',
    });
    const key = (url: string, hex: string) => keys([recipe('one', [from(url)])], new Map([[url, hex]]))['one'];
    expect(key('https://a.example/x', '1')).toBe(key('https://b.example/y', '1'));
    expect(key('https://a.example/x', '1')).not.toBe(key('https://a.example/x', '2'));
  });

  it('change with the machine', () => {
    const key = (disk: string) => planBuild(resolvedImage('debian13', { disk })).layers[0]?.key;
    expect(key('20GiB')).not.toBe(key('21GiB'));
  });

  it('change with the digest of a base that is not pinned', () => {
    const base = latestBase('ubuntu2404');
    const image = resolvedImage('ubuntu2404', {}, { base });
    const key = (hex: string) => planBuild(image, new Map([[base.url, hex]])).layers[0]?.key;
    expect(key('1')).not.toBe(key('2'));
  });
});

describe('what cannot be planned', () => {
  it('is an image without seal', () => {
    expect(() => planBuild(resolvedImage('debian13', { without: ['seal'] }))).toThrow('seal cannot be left out');
  });

  it('is a recipe with the name of a layer, or one that is there twice', () => {
    const names = ['repositories', 'packages', 'a', 'a'];
    expect(() => plan(names.map((name) => recipe(name, [])))).toThrow(
      /cannot be called repositories[^]*cannot be called packages[^]*a is there twice/,
    );
  });

  it('is a put of something nobody has a digest for', () => {
    const put: Action = {
      kind: 'put',
      title: 'x',
      content: { kind: 'download', url: 'https://x.example/y' },
      path: '/y',
      mode: '0644',
      owner: 'root:root',
    };
    expect(() => plan([recipe('mine', [put])])).toThrow('puts https://x.example/y without saying its digest');
  });

  it('is what recipes object to, all of it', () => {
    const image = resolvedImage('debian13', { recipes: { containerd: { source: 'package' }, prepull: {} }, without: ['cni'] });
    expect(() => planBuild(image)).toThrow('needs containerd 2.0.0, got 1.7.24 of Debian 13 (trixie)');
    const two = recipe('two', [], { validate: () => [{ path: 'recipes.two', message: 'does not like it' }] });
    const one = recipe('one', [], { validate: () => [{ path: 'recipes.one', message: 'neither' }] });
    expect(() => plan([one, two])).toThrow(/neither[^]*does not like it/);
  });

  it('are two checks of one name', () => {
    const check = { name: 'a/b', title: '', script: raw(':'), expect: { kind: 'success' }, when: ['boot'] } as const;
    expect(() => plan([recipe('a', [], { checks: () => [check] }), recipe('b', [], { checks: () => [check] })])).toThrow(
      'two checks are called a/b',
    );
  });
});
