import { describe, expect, it } from 'vitest';
import { defineDriver } from '../../../src/core/index.ts';
import { configured, refused, report } from '../../support/configured.ts';
import { testRegistry, toy } from '../../support/registry.ts';

describe('what an image becomes', () => {
  it('builds a catalog name with every default', async () => {
    const { images } = await configured({ targets: ['debian13'] });
    const image = images[0]?.image;
    expect(image?.name).toBe('debian13');
    expect(image?.base.kind).toBe('cloud-image');
    expect(image?.firmware).toBe('uefi');
    expect(image?.driver.name).toBe('qemu');
    expect(image?.driverOptions).toEqual({ accelerator: 'auto', display: 'none', tpm: false });
    expect(image?.recipes.map(({ recipe }) => recipe.name)).toEqual(['node', 'containerd', 'kubernetes', 'seal']);
    expect(image?.exporters).toMatchObject([{ exporter: { format: 'qcow2' }, options: { compression: 'zstd' } }]);
  });

  it('adds an optional recipe that is named, and leaves out what without names', async () => {
    const { images } = await configured({
      files: { 'node.yaml': 'image: debian13\nwithout: [kubernetes]\nrecipes:\n  watchdog:\n' },
    });
    expect(images[0]?.image.recipes).toMatchObject([
      { recipe: { name: 'node' } },
      { recipe: { name: 'containerd' } },
      { recipe: { name: 'watchdog' }, params: { seconds: 60 } },
      { recipe: { name: 'seal' } },
    ]);
  });

  it('finds files beside the image file, and files named on the command line in the current folder', async () => {
    const { images } = await configured({
      files: {
        'deep/node.yaml': 'image: debian13\nprovision:\n  - script: setup.sh\n  - { file: motd, to: /etc/motd }\n',
        'deep/setup.sh': 'echo one\n',
        'deep/motd': 'hello',
        'my.raw': new Uint8Array(4096),
      },
      targets: ['deep/node.yaml'],
      vars: ['base.file=my.raw', 'base.format=raw'],
    });
    const image = images[0]?.image;
    expect(image?.provisionFiles['setup.sh']?.text).toBe('echo one\n');
    expect(image?.provisionFiles['motd']?.path).toMatch(/deep\/motd$/);
    expect(image?.base).toMatchObject({ kind: 'file', format: 'raw', path: expect.stringMatching(/kib-test-\w+\/my\.raw$/) });
  });

  it('adds a mirror and packages to the bootstrap the catalog describes', async () => {
    const { images } = await configured({ targets: ['debian13'], vars: ['base.bootstrap.packages=vim,htop'] });
    expect(images[0]?.image.base).toEqual({ kind: 'bootstrap', suite: 'trixie', packages: ['linux-image-amd64', 'vim', 'htop'] });
  });

  it('takes the options of a driver along only when that driver is chosen', async () => {
    const files = { 'node.yaml': 'image: debian13\nformats: [raw]\nfirmware: bios\ndriver: { name: qemu, tpm: true }\n' };
    const flags = [{ flag: '--driver', setting: 'driver', value: 'toy' }];
    const { images } = await configured({ files, flags, vars: ['driver.speed=3'] });
    expect(images[0]?.image.driverOptions).toEqual({ speed: 3 });
    const same = await configured({ files, flags: [{ flag: '--driver', setting: 'driver', value: 'qemu' }] });
    expect(same.images[0]?.image.driverOptions).toMatchObject({ tpm: true });
  });

  it('selects by --only and --except', async () => {
    const targets = ['debian13', 'rocky10'];
    expect((await configured({ targets, only: ['rocky10'] })).images.map(({ image }) => image.name)).toEqual(['rocky10']);
    expect((await configured({ targets, except: ['rocky10'] })).images.map(({ image }) => image.name)).toEqual(['debian13']);
    expect(await report({ targets, only: ['rokcy10'] })).toMatchInlineSnapshot(
      `"--only rokcy10: no image has this name; there is debian13, rocky10 (did you mean rocky10?)"`,
    );
  });
});

describe('reports', () => {
  it('everything wrong at once, each with its source', async () => {
    const error = await refused({
      files: {
        'node.yaml': [
          'image: debain13',
          'cpus: two',
          'formats: [qcow, raw]',
          'kubernetes:',
          '  verison: v1.36.1',
          'recipes:',
          '  containerd: { version: 2.3 }',
          '  contaierd: {}',
          'provision:',
          '  - shel: echo',
          '  - script: nowhere.sh',
          'extra: 1',
        ].join('\n'),
        'vars.yaml': 'kubernetes:\n  sorce: pkg\n  version: "1.35"\nmemory: [1]\n',
      },
      env: { KIB_VAR_kubernetes__sourc: 'pkg', KIB_VAR_cpus: 'many' },
      varFiles: ['vars.yaml'],
      vars: ['disk=big', 'nonsense', 'kubernets.version=v1.35.0'],
    });
    expect(error.code).toBe('KIB_CONFIG_INVALID');
    expect(error.exitCode).toBe(2);
    expect(error.message.replaceAll(/\/\S*kib-test-\w+/g, '<dir>')).toMatchInlineSnapshot(`
      "15 problems:
        --var nonsense: must look like name=value
        KIB_VAR_kubernetes__sourc: kubernetes.sourc: is no known setting (did you mean KIB_VAR_kubernetes__source?)
        vars.yaml:2:3: kubernetes.sorce: is no known setting (did you mean kubernetes.source?)
        vars.yaml:3:3: kubernetes.version: must look like v1.36.1, got "1.35"
        vars.yaml:4:1: memory: must be text or a number, got a list
        --var kubernets.version: is no known setting (did you mean kubernetes.version?)
        node.yaml:1:8: image: must be one of debian13, rocky10, got "debain13" (did you mean debian13?)
        node.yaml:3:11: formats[0]: must be one of qcow2, raw, ova, ami, template, got "qcow" (did you mean qcow2?)
        node.yaml:5:3: kubernetes.verison: is no known setting (did you mean kubernetes.version?)
        node.yaml:7:26: recipes.containerd.version: must be text, got 2.3 (put it in quotes: "2.3")
        node.yaml:8:3: recipes.contaierd: is no known setting (did you mean recipes.containerd?)
        node.yaml:10:5: provision[0].shel: is no known setting (did you mean provision[0].shell?)
        node.yaml:12:1: extra: is no known setting
        KIB_VAR_cpus: must be a number, got "many"
        --var disk: is not a size; want something like 20GiB, got "big""
    `);
  });

  it('combinations that cannot be', async () => {
    const error = await refused({
      files: {
        'node.yaml':
          'image: rocky10\narch: arm64\nfirmware: bios\ndriver: toy\nformats: [raw, ova]\nwithout: [seal]\nmemory: 4096\nbase: bootstrap\n',
      },
    });
    expect(error.message).toMatchInlineSnapshot(`
      "6 problems:
        node.yaml:2:7: arch: driver toy cannot do arm64; it can do amd64
        node.yaml:2:7: arch: rocky10 has no base for arm64; it has one for amd64 (give a base file or url of your own)
        node.yaml:3:11: firmware: rocky10 on arm64 boots on uefi, not on bios
        node.yaml:5:16: formats[1]: driver toy cannot do ova; it can do raw
        node.yaml:6:11: without[0]: cannot leave out seal: the image would ship the login of its build
        node.yaml:7:9: memory: must be a size such as 4GiB, got 4.0 KiB (did you mean 4096MiB?)"
    `);
    expect(await report({ targets: ['rocky10'], vars: ['base=bootstrap'] })).toMatchInlineSnapshot(
      `"--var base: rocky10 has no bootstrap base for amd64; it has cloud-image, pinned"`,
    );
    const cannot = await refused({ targets: ['debian13'], vars: ['driver=toy', 'formats=ova'] });
    expect(cannot.code).toBe('KIB_DRIVER_CANNOT');
    const recipes = await refused({ targets: ['debian13'], vars: ['without=containerd'] });
    expect(recipes.code).toBe('KIB_RECIPE_INVALID');
    expect(recipes.message).toMatchInlineSnapshot(
      `"debian13: kubernetes: needs a container runtime (do not leave out containerd)"`,
    );
  });

  it('options that cannot be with the machine, with everything else that is wrong', async () => {
    const choosy = defineDriver({
      ...toy,
      validate: ({ cpus }, { speed }) => (speed <= cpus ? [] : [{ path: 'speed', message: `is too much for ${cpus} CPUs` }]),
    });
    const registry = { ...testRegistry, drivers: [choosy] };
    const node = (speed: number) => `image: debian13\nformats: [raw]\nfirmware: bios\ndriver: { name: toy, speed: ${speed} }\n`;
    const error = await refused({ registry, files: { 'node.yaml': `${node(3)}provision: [{ script: none.sh }]\n` } });
    expect(error.message.replaceAll(/\/\S*kib-test-\w+/g, '<dir>')).toMatchInlineSnapshot(`
      "2 problems:
        node.yaml:4:29: driver.speed: is too much for 2 CPUs
        node.yaml:5:23: provision[0].script: <dir>/none.sh does not exist"
    `);
    expect((await refused({ registry, files: { 'node.yaml': node(3) } })).code).toBe('KIB_DRIVER_CANNOT');
    expect((await configured({ registry, files: { 'node.yaml': node(2) } })).images).toHaveLength(1);
  });

  it('a base file that is not what it is said to be', async () => {
    const files = { 'disk.qcow2': 'not a disk image at all, really', 'big.raw': new Uint8Array(3 * 1024 * 1024) };
    expect(await report({ files, targets: ['debian13'], vars: ['base.file=disk.qcow2'] })).toMatchInlineSnapshot(
      `"--var base.file: <dir>/disk.qcow2 cannot be used: it is not a qcow2 image; base.format may be raw or vmdk"`,
    );
    expect(await report({ files, targets: ['debian13'], vars: ['base.file=none.qcow2'] })).toMatchInlineSnapshot(
      `"--var base.file: <dir>/none.qcow2 does not exist"`,
    );
    expect(
      await report({ files, targets: ['debian13'], vars: ['base.file=big.raw', 'base.format=raw', 'disk=2MiB'] }),
    ).toMatchInlineSnapshot(`"--var disk: is smaller than the base: 2.0 MiB for a base of 3.0 MiB"`);
  });

  it('a folder of Kubernetes releases that is not there', async () => {
    const vars = ['kubernetes.source=dir', 'kubernetes.dir=mirror'];
    expect(await report({ targets: ['debian13'], vars })).toMatch(/^--var kubernetes\.dir: \S+mirror is no folder$/);
    expect(await report({ targets: ['debian13'], vars, files: { mirror: 'a file' } })).toMatch(/is no folder$/);
    expect((await configured({ targets: ['debian13'], vars, files: { 'mirror/release': '' } })).images).toHaveLength(1);
  });

  it('a target that is neither a name nor a file', async () => {
    const error = await refused({ targets: ['debain13', 'ndoe.yaml', 'README'], files: { 'node.yaml': '', README: 'x' } });
    expect(error.code).toBe('KIB_IMAGE_UNKNOWN');
    expect(error.message).toMatchInlineSnapshot(`
      "3 problems:
        debain13: is neither an image of the catalog nor a file (did you mean debian13?)
        ndoe.yaml: does not exist (did you mean node.yaml?)
        README: is a file of no known kind; want one ending in .yaml, .yml, .json, .ts, .mts, .js, .mjs"
    `);
  });

  it('problems of a variable once, though several images see it', async () => {
    expect(await report({ targets: ['debian13', 'rocky10'], vars: ['nope.x=1'] })).not.toContain('problems');
  });
});
