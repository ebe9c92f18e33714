import { describe, expect, it } from 'vitest';
import type { BuildPlan } from '../../../src/core/index.ts';
import { planBuild } from '../../../src/plan/planner.ts';
import { layerOf } from '../../../src/plan/provision.ts';
import { exec, recipe } from '../../support/house.ts';
import { resolvedImage } from '../../support/plan.ts';

type Input = Parameters<typeof resolvedImage>[1];
type Steps = NonNullable<NonNullable<Input>['provision']>;

function built(provision: Steps, input: Input = {}, os = 'debian13'): BuildPlan {
  const registry = [
    recipe('one', [exec('one')]),
    recipe('two', [exec('two')]),
    recipe('seal', [exec('clean'), exec('remove the login')]),
  ];
  return planBuild(resolvedImage(os, { provision, ...input }, { registry }));
}
const layersOf = ({ layers }: BuildPlan) => layers.map(({ name }) => name);

describe('when', () => {
  const runs = (when: NonNullable<Steps[number]['when']>, input: Input = {}, os = 'debian13') =>
    layersOf(built([{ shell: ':', when }], input, os)).includes('provision');

  it.each([
    [{ os: 'debian13' }, true],
    [{ os: ['rocky10', 'debian-13'] }, true],
    [{ os: 'rocky10' }, false],
    [{ family: 'debian' }, true],
    [{ family: ['rhel', 'photon'] }, false],
    [{ arch: 'amd64' }, true],
    [{ arch: 'arm64' }, false],
    [{ driver: 'qemu' }, true],
    [{ driver: 'vsphere' }, false],
    [{ format: ['raw', 'qcow2'] }, true],
    [{ format: 'ova' }, false],
    [{ kubernetes: false }, true],
    [{ kubernetes: true }, false],
    [{ kubernetes: 'v1.36' }, false],
    [{ os: 'debian13', arch: 'arm64' }, false],
    [{}, true],
  ] as const)('%j', (when, expected) => {
    expect(runs(when as NonNullable<Steps[number]['when']>)).toBe(expected);
  });

  it.each([
    ['v1.36', true],
    ['v1.36.4', true],
    ['v1.3', false],
    [['v1.35', 'v1.36'], true],
    ['v1.36.40', false],
  ] as const)('kubernetes %j', (release, expected) => {
    const image = resolvedImage('debian13', {
      kubernetes: { version: 'v1.36.4' },
      provision: [{ shell: ':', when: { kubernetes: release as string | string[] } }],
    });
    expect(layersOf(planBuild(image)).includes('provision')).toBe(expected);
  });
});

describe('places', () => {
  const at = (place: NonNullable<Steps[number]['at']>, text: string = place): Steps[number] => ({
    shell: `echo ${text}`,
    at: place,
  });

  it('are layers in the order of image-builder’s hooks', () => {
    const provision: Steps = [
      { shell: 'echo default' },
      at('after-recipes'),
      at('before-recipes'),
      at('after-packages'),
      at('before-packages'),
      { shell: 'echo after one', after: 'one' },
    ];
    const plan = built(provision);
    expect(layersOf(plan)).toEqual([
      'boot',
      'provision-before-packages',
      'provision-after-packages',
      'provision-before-recipes',
      'one',
      'provision-after-one',
      'two',
      'provision',
    ]);
    expect(plan.layers.at(-1)?.actions.map(({ id, title }) => `${id} ${title}`)).toEqual([
      'provision/1 echo default',
      'provision/2 echo after-recipes',
    ]);
  });

  it('stand around the packages', () => {
    const registry = [
      recipe('one', [exec('one')], { packages: () => [{ name: 'jq' }] }),
      recipe('seal', [exec('remove the login')]),
    ];
    const provision = [at('before-packages'), at('after-packages'), at('before-recipes')];
    expect(layersOf(planBuild(resolvedImage('debian13', { provision }, { registry })))).toEqual([
      'boot',
      'provision-before-packages',
      'repositories',
      'packages',
      'provision-after-packages',
      'provision-before-recipes',
      'one',
    ]);
  });

  it('after the seal are right before the login goes', () => {
    const { seal, layers } = built([at('after-seal')]);
    expect(seal.map(({ title }) => title)).toEqual(['clean', 'echo after-seal', 'remove the login']);
    expect(layers.map(({ name }) => name)).toEqual(['boot', 'one', 'two']);
  });

  it('change the keys of what follows, and of nothing before', () => {
    const keys = (provision: Steps) => new Map(built(provision).layers.map(({ name, key }) => [name, key]));
    const without = keys([]);
    const with1 = keys([{ shell: 'echo 1', after: 'one' }]);
    const with2 = keys([{ shell: 'echo 2', after: 'one' }]);
    expect(with1.get('one')).toBe(without.get('one'));
    expect(with1.get('two')).not.toBe(without.get('two'));
    expect(with1.get('two')).not.toBe(with2.get('two'));
  });

  it('do not count breakpoints, how often is tried, nor how long', () => {
    const last = (provision: Steps) => built(provision).layers.at(-1)?.key;
    expect(last([{ shell: 'a' }, { breakpoint: 'x' }])).toBe(
      last([{ shell: 'a', attempts: 3, timeoutSeconds: 5, pauseSeconds: 9 }]),
    );
    expect(last([{ shell: 'a', environment: { A: '1' } }])).not.toBe(last([{ shell: 'a' }]));
  });

  it.each([
    [{ shell: ':', after: 'gone' }, 'provision[0].after: must be a recipe of this image, got gone (it has one, two)'],
    [{ shell: ':', after: 'seal' }, 'provision[0].after: cannot be seal'],
    [{ shell: ':', after: 'one', at: 'after-recipes' }, 'provision[0].after: cannot stand beside at'],
    [{ reboot: true, at: 'after-seal' }, 'provision[0].at: cannot reboot after the seal'],
    [{ shell: ':', expectDisconnect: true, at: 'after-seal' }, 'provision[0].at: cannot reboot after the seal'],
  ] as const)('refuse %j', (step, message) => {
    expect(() => built([step as Steps[number]])).toThrow(message);
    expect(() => built([{ ...(step as Steps[number]), when: { arch: 'arm64' } }])).not.toThrow();
  });

  it('have names that no recipe may take', () => {
    const registry = [recipe(layerOf({ after: 'one' }), []), recipe('seal', [])];
    expect(() => planBuild(resolvedImage('debian13', {}, { registry }))).toThrow('a recipe cannot be called provision-after-one');
  });
});
