import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imageSchema, isKibError } from '../../../src/core/index.ts';
import { configured, configuredImage, report } from '../../support/configured.ts';

const value = (spec: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], spec);

describe('precedence', () => {
  // Lowest first, as docs/configuration.md says.
  const layers = [
    'image file',
    'PACKER_VAR_FILES',
    'KIB_VAR_',
    'first --var-file',
    'second --var-file',
    '--var',
    'flag',
  ] as const;
  type Layer = (typeof layers)[number];

  const byDefault = imageSchema.parse({ image: 'debian13' }).kubernetes.version;

  it('lets the highest source that gives a setting win, whatever the others say', async () => {
    await fc.assert(
      fc.asyncProperty(fc.subarray([...layers]), async (given) => {
        const version = (layer: Layer) => `v1.3${layers.indexOf(layer)}.0`;
        const has = (layer: Layer) => given.includes(layer);
        const { image } = await configuredImage({
          files: {
            'node.yaml': `image: debian13\n${has('image file') ? `kubernetes: { version: ${version('image file')} }\n` : ''}`,
            'packer.json': JSON.stringify(has('PACKER_VAR_FILES') ? { kubernetes_semver: version('PACKER_VAR_FILES') } : {}),
            'one.yaml': has('first --var-file') ? `kubernetes.version: ${version('first --var-file')}\n` : '',
            'two.json': has('second --var-file') ? `{"kubernetes": {"version": "${version('second --var-file')}"}}` : '{}',
          },
          env: {
            PACKER_VAR_FILES: 'packer.json',
            ...(has('KIB_VAR_') ? { KIB_VAR_kubernetes__version: version('KIB_VAR_') } : {}),
          },
          varFiles: ['one.yaml', 'two.json'],
          vars: has('--var') ? [`kubernetes.version=${version('--var')}`] : [],
          flags: has('flag') ? [{ flag: '--kubernetes-version', setting: 'kubernetes.version', value: version('flag') }] : [],
        });
        const highest = layers.filter(has).at(-1);
        expect(image.spec.kubernetes.version).toBe(highest === undefined ? byDefault : version(highest));
      }),
      { numRuns: 60 },
    );
  });

  it('lets the last --var win, and joins only --without', async () => {
    const files = { 'node.yaml': 'image: debian13\nformats: [raw]\nwithout: [kubernetes]\n' };
    const { image } = await configuredImage({
      files,
      vars: ['cpus=3', 'cpus=4'],
      flags: [
        { flag: '--format', setting: 'formats', value: ['ova'] },
        { flag: '--without', setting: 'without', value: ['node'] },
      ],
    });
    expect(image.spec.cpus).toBe(4);
    expect(image.spec.formats).toEqual(['ova']);
    expect(image.spec.without).toEqual(['kubernetes', 'node']);
  });

  it('remembers where each value came from', async () => {
    const { merged } = await configuredImage({
      files: { 'node.yaml': 'image: debian13\nmemory: 4GiB\n', 'v.yaml': 'disk: 30GiB\n' },
      varFiles: ['v.yaml'],
      vars: ['cpus=4'],
      env: { KIB_VAR_driver__tpm: 'true' },
    });
    const where = (path: string) => `${merged.originOf(path.split('.'))} ${merged.locate(path.split('.'), 'value')}`;
    expect(where('memory')).toBe('image node.yaml:2:9');
    expect(where('disk')).toBe('var-file v.yaml:1:1');
    expect(where('cpus')).toBe('var --var cpus');
    expect(where('driver.tpm')).toBe('env KIB_VAR_driver__tpm');
    expect(merged.originOf(['arch'])).toBe('default');
  });
});

describe('values as text', () => {
  it.each([
    ['cpus=4', 'cpus', 4],
    ['memory=4GiB', 'memory', 4 * 1024 ** 3],
    ['memory=4294967296', 'memory', 4 * 1024 ** 3],
    ['driver.tpm=true', 'driver.tpm', true],
    ['formats=qcow2,ova', 'formats', ['qcow2', 'ova']],
    ['formats=[qcow2, ova]', 'formats', ['qcow2', 'ova']],
    ['recipes.containerd.version=2.10', 'recipes.containerd.version', '2.10'],
    ['recipes.containerd.version=yes', 'recipes.containerd.version', 'yes'],
    ['recipes.watchdog={seconds: 5}', 'recipes.watchdog.seconds', 5],
    ['recipes.watchdog={}', 'recipes.watchdog.seconds', 60],
    ['recipes.node.packages=', 'recipes.node.packages', []],
    ['base.bootstrap.mirror=http://x/?a=b', 'base.bootstrap.mirror', 'http://x/?a=b'],
  ])('%s', async (text, path, expected) => {
    const { image } = await configuredImage({ targets: ['debian13'], vars: [text] });
    expect(value(image.spec, path)).toEqual(expected);
  });

  it('takes the keys of a map with their dots, and hyphens as underscores from the environment', async () => {
    const { image } = await configuredImage({ targets: ['debian13'], vars: ['recipes.node.sysctls.net.ipv4.ip_forward=0'] });
    expect(image.spec.recipes['node']).toMatchObject({ sysctls: { 'net.ipv4.ip_forward': '0' } });
  });

  it('takes a list of settings as a whole', async () => {
    const { image } = await configuredImage({ targets: ['debian13'], vars: ['provision=[{shell: "echo hi"}]'] });
    expect(image.spec.provision).toMatchObject([{ shell: 'echo hi' }]);
  });

  it('puts one kind of base in the place of another', async () => {
    const files = { 'node.yaml': `image: debian13\nbase: { url: https://example.com/x, sha256: ${'a'.repeat(64)} }\n` };
    const { image } = await configuredImage({ files, vars: ['base.bootstrap.mirror=http://mirror.example/debian'] });
    expect(image.base).toMatchObject({ kind: 'bootstrap', mirror: 'http://mirror.example/debian' });
  });
});

describe('what is wrong with variables', () => {
  it.each([
    [['kubernetesversion=v1.36.1'], '--var kubernetesversion: is no known setting (did you mean kubernetes.version?)'],
    [['provision.0.shell=x'], '--var provision.0.shell: is no known setting (kib-native inspect <image> lists the settings)'],
    [['__proto__.x=1'], '--var __proto__.x: is no known setting (kib-native inspect <image> lists the settings)'],
    [['recipes.constructor=1'], '--var recipes.constructor: is no known setting (kib-native inspect <image> lists the settings)'],
    [['=x'], '--var =x: must look like name=value'],
    [['cpus'], '--var cpus: must look like name=value'],
    [['cpus=1e999'], '--var cpus: must be a number, got Infinity'],
    [['cpus=2.5'], '--var cpus: must be a whole number, got 2.5'],
    [['cpus=99999999999999999999'], '--var cpus: must be at most 256, got 100000000000000000000'],
    [['formats='], '--var formats: must be at least 1 entries, got 0'],
    [['disk_size=plenty'], '--var disk_size: cannot be turned into disk, got "plenty"'],
  ])('%j', async (vars, expected) => {
    expect(await report({ targets: ['debian13'], vars })).toBe(expected);
  });

  it.each([
    ['a list', '- cpus', 'v.yaml:1:1: must hold names and values'],
    ['broken YAML', 'cpus: [', 'v.yaml:1:8: flow sequence in block collection must be sufficiently indented and end with a ]'],
    [
      'a misspelt name',
      'cpus: 2\nkubernetes:\n  verison: v1.36.1\n',
      'v.yaml:3:3: kubernetes.verison: is no known setting (did you mean kubernetes.version?)',
    ],
    [
      'a number for a version',
      'recipes.containerd.version: 2.1',
      'v.yaml:1:1: recipes.containerd.version: must be text, got 2.1 (put it in quotes: "2.1")',
    ],
  ])('a file that is %s', async (_, text, expected) => {
    expect(await report({ targets: ['debian13'], files: { 'v.yaml': text }, varFiles: ['v.yaml'] })).toBe(expected);
  });

  it('a file that is not there', async () => {
    const given = { targets: ['debian13'], files: { 'vars.yaml': '' }, varFiles: ['var.yaml'] };
    expect(await report(given)).toBe('var.yaml: does not exist (did you mean vars.yaml?)');
  });

  it('nothing about an empty file', async () => {
    expect(
      (await configured({ targets: ['debian13'], files: { 'v.yaml': '# later\n' }, varFiles: ['v.yaml'] })).warnings,
    ).toEqual([]);
  });
});

describe('any text at all', () => {
  it('is taken or refused with a report, never anything else', async () => {
    const names = fc.constantFrom(
      'cpus',
      'memory',
      'formats',
      'base',
      'driver',
      'recipes',
      'kubernetes',
      'provision',
      'without',
      'name',
      'export',
    );
    await fc.assert(
      fc.asyncProperty(names, fc.string({ unit: 'grapheme', maxLength: 30 }), async (name, text) => {
        const given = { targets: ['debian13'], vars: [`${name}=${text}`] };
        const outcome = await configured(given).then(
          () => 'taken',
          (error: unknown) => (isKibError(error) ? error.code : error),
        );
        expect(['taken', 'KIB_CONFIG_INVALID', 'KIB_DRIVER_CANNOT', 'KIB_RECIPE_INVALID']).toContain(outcome);
      }),
      { numRuns: 150 },
    );
  });

  it('in an image file too', async () => {
    const json = fc.dictionary(
      fc.constantFrom('image', 'cpus', 'base', 'driver', 'recipes', 'provision', 'formats', 'kubernetes', '__proto__'),
      fc.jsonValue(),
    );
    await fc.assert(
      fc.asyncProperty(json, async (image) => {
        const outcome = await configured({ files: { 'node.json': JSON.stringify(image) }, targets: ['node.json'] }).then(
          () => 'taken',
          (error: unknown) => (isKibError(error) ? error.code : error),
        );
        expect(['taken', 'KIB_CONFIG_INVALID', 'KIB_DRIVER_CANNOT', 'KIB_RECIPE_INVALID']).toContain(outcome);
      }),
      { numRuns: 150 },
    );
  });
});
