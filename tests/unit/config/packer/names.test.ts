import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../../../src/cli/registry.ts';
import { OUTPUT_DIR } from '../../../../src/config/packer/name.ts';
import { PACKER_NAMES } from '../../../../src/config/packer/names.ts';
import { rootSchema } from '../../../../src/config/schema.ts';
import { schemasAt } from '../../../../src/config/walk.ts';
import { configured, configuredImage, report } from '../../../support/configured.ts';
import { IMAGE_BUILDER_VARIABLES } from './image-builder-variables.ts';

/** Values as kubernetes-sigs/image-builder v0.1.55 has them in packer/config/*.json and packer/qemu/packer.json.tmpl. */
const IMAGE_BUILDER = {
  kubernetes_semver: 'v1.36.1',
  kubernetes_series: 'v1.36',
  kubernetes_deb_version: '1.36.1-1.1',
  kubernetes_source_type: 'pkg',
  kubernetes_http_source: 'https://dl.k8s.io/release',
  kubernetes_deb_repo: 'https://pkgs.k8s.io/core:/stable:/{{ user `kubernetes_series` }}/deb/',
  containerd_version: '2.3.2',
  pause_image: 'registry.k8s.io/pause:3.10.2',
  accelerator: 'kvm',
  cpus: '1',
  memory: '2048',
  disk_size: '20480',
  disk_compression: 'false',
  disk_discard: 'unmap',
  firmware: '',
  format: 'qcow2',
  headless: 'true',
  output_directory: './output/here',
  runc_version: null,
  vm_name: '{{user `build_name`}}-kube-{{user `kubernetes_semver`}}',
};

it('leaves no variable of image-builder unknown', () => {
  expect(IMAGE_BUILDER_VARIABLES.filter((name) => !Object.hasOwn(PACKER_NAMES, name))).toEqual([]);
});

it('says for each variable what it means or why it means nothing', () => {
  const silent = Object.entries(PACKER_NAMES).filter(([, { settings, note }]) => settings.length === 0 && note === '');
  expect(silent).toEqual([]);
});

it('leads to settings that exist', async () => {
  const registry = await loadRegistry();
  const root = rootSchema(registry);
  const drivers = registry.drivers.map(({ name }) => name);
  const lost = Object.entries(PACKER_NAMES).flatMap(([name, { settings, driver }]) =>
    (driver === undefined || drivers.includes(driver) ? settings : [])
      .filter((setting) => setting !== OUTPUT_DIR && schemasAt(root, setting.split('.')).length === 0)
      .map((setting) => `${name}: ${setting}`),
  );
  expect(lost).toEqual([]);
});

describe('PACKER_VAR_FILES', () => {
  const files = { 'packer.json': JSON.stringify(IMAGE_BUILDER) };
  const env = { PACKER_VAR_FILES: '  packer.json ' };

  it('takes over what means the same', async () => {
    const { images, outputDir } = await configured({ targets: ['debian13'], files, env, registry: await loadRegistry() });
    const image = images[0]?.image;
    expect(image?.spec).toMatchObject({
      kubernetes: { version: 'v1.36.1', source: 'pkg', url: 'https://dl.k8s.io', repository: 'https://pkgs.k8s.io' },
      cpus: 1,
      memory: 2048 * 1024 ** 2,
      disk: 20_480 * 1024 ** 2,
      formats: ['qcow2'],
      export: { qcow2: { compression: 'none' } },
      recipes: { containerd: { version: '2.3.2', pauseImage: 'registry.k8s.io/pause:3.10.2' } },
    });
    expect(image?.driverOptions).toMatchObject({ accelerator: 'kvm', display: 'none', discard: true });
    expect(outputDir).toBe('./output/here');
  });

  it('warns about the rest, by name and line', async () => {
    const { warnings } = await configured({ targets: ['debian13'], files, env, registry: await loadRegistry() });
    expect(warnings.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'vm_name: the name of an image is the setting name',
    ]);
    expect(warnings[0]?.source).toMatch(/^packer\.json:1:\d+$/);
  });

  it('reads several files in their order, and refuses one that is not there', async () => {
    const both = { ...files, 'two.json': '{"kubernetes_semver": "v1.35.9"}' };
    const { image } = await configuredImage({
      targets: ['debian13'],
      files: both,
      env: { PACKER_VAR_FILES: 'packer.json two.json' },
    });
    expect(image.spec.kubernetes.version).toBe('v1.35.9');
    expect(await report({ targets: ['debian13'], env: { PACKER_VAR_FILES: 'none.json' } })).toBe('none.json: does not exist');
  });
});

describe('on the command line', () => {
  it('takes Packer names where they are no settings of ours', async () => {
    const vars = ['kubernetes_semver=v1.35.4', 'disk_size=30720', 'headless=false'];
    const { image } = await configuredImage({ targets: ['debian13'], vars });
    expect(image.spec.kubernetes.version).toBe('v1.35.4');
    expect(image.spec.disk).toBe(30 * 1024 ** 3);
    expect(image.driverOptions).toMatchObject({ display: 'gtk' });
  });

  it('takes those of wardroom, image-builder’s ancestor', async () => {
    const vars = ['kubernetes_version=1.34.11-00', 'kubernetes_cni_version=1.9.1-00'];
    const { image } = await configuredImage({ targets: ['ubuntu1804'], vars, registry: await loadRegistry() });
    expect(image.spec.kubernetes.version).toBe('v1.34.11');
    expect(image.recipes.find(({ recipe }) => recipe.name === 'cni')?.params).toMatchObject({
      version: '1.9.1',
      source: 'upstream',
    });
  });

  it('takes those of a single ESXi host', async () => {
    const esx = { remote_type: 'esx5', remote_host: 'esxi.example', remote_datastore: 'ssd', network: 'Builds' };
    const { images, warnings } = await configured({
      targets: ['build-node-ova-esx-debian-13'],
      files: { 'esx.json': JSON.stringify(esx) },
      env: { PACKER_VAR_FILES: 'esx.json' },
      registry: await loadRegistry(),
    });
    expect(images[0]?.image.driver.name).toBe('esxi');
    expect(images[0]?.image.driverOptions).toMatchObject({ host: 'esxi.example', datastore: 'ssd', network: 'Builds' });
    expect(warnings).toEqual([]);
  });

  it('does not take memory in MB for bytes', async () => {
    expect(await report({ targets: ['debian13'], vars: ['memory=4096'] })).toBe(
      '--var memory: must be a size such as 4GiB, got 4.0 KiB (did you mean 4096MiB?)',
    );
  });
});
