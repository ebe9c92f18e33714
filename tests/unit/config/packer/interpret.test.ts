import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadRegistry } from '../../../../src/cli/registry.ts';
import { readAnsibleVars, shellWords } from '../../../../src/config/packer/ansible-vars.ts';
import { packerEnvironment } from '../../../../src/config/packer/environment.ts';
import { expandTemplate } from '../../../../src/config/packer/expand.ts';
import { configured, configuredImage, type Given, report } from '../../../support/configured.ts';

const registry = await loadRegistry();

/** An image of ubuntu2404 with these variables in PACKER_VAR_FILES. */
function given(variables: Readonly<Record<string, unknown>>, more: Given = {}): Given {
  const files = { 'vars.json': JSON.stringify(variables, undefined, 2), ...more.files };
  return { targets: ['ubuntu2404'], registry, env: { PACKER_VAR_FILES: 'vars.json' }, ...more, files };
}

async function recipes(variables: Readonly<Record<string, unknown>>, more: Given = {}) {
  return (await configuredImage(given(variables, more))).image.spec.recipes;
}

async function warnings(variables: Readonly<Record<string, unknown>>, more: Given = {}): Promise<readonly string[]> {
  return (await configured(given(variables, more))).warnings.map(({ path, message }) => `${path}: ${message}`);
}

describe('lists', () => {
  it.each(['nfs-common htop', '"nfs-common htop"', "'nfs-common htop'", 'nfs-common,htop', ' nfs-common  htop '])(
    'of packages are read from %j',
    async (extra_debs) => {
      expect((await recipes({ extra_debs }))['setup']).toMatchObject({ packages: ['nfs-common', 'htop'] });
    },
  );

  it('of pinned packages join them and stay at their version', async () => {
    const { setup } = await recipes({ extra_debs: 'htop', ansible_user_vars: 'pinned_debs=docker.io=27.1-1' });
    expect(setup).toMatchObject({ packages: ['htop', { name: 'docker.io', version: '27.1-1', hold: true }] });
  });

  it('for the other kind of system are named', async () => {
    expect(await warnings({ extra_rpms: 'nfs-utils' })).toEqual(['extra_rpms: is for rpm systems, which this image is not']);
  });

  it('count when their switches are on', async () => {
    const lists = { additional_registry_images_list: 'docker.io/library/busybox:1.37' };
    expect(await warnings({ ...lists, additional_registry_images: 'true' })).toEqual([
      'additional_registry_images_list: does not count: load_additional_components must be true',
    ]);
    const { components } = await recipes({ ...lists, additional_registry_images: 'true', load_additional_components: 'true' });
    expect(components).toMatchObject({ images: ['docker.io/library/busybox:1.37'] });
  });
});

describe('several variables', () => {
  it('make one setting', async () => {
    const { containerd } = await recipes({ containerd_gvisor_runtime: 'true', containerd_gvisor_version: '20260714.0' });
    expect(containerd).toMatchObject({ gvisor: { version: '20260714.0' } });
    expect((await recipes({ containerd_gvisor_version: '20260714.0' }))['containerd']).not.toHaveProperty('gvisor.version');
  });

  it('are taken apart from Ansible’s, what is the roles’ own is named', async () => {
    const variables = { ansible_user_vars: `extra_debs="htop vim" myvar=1 {}`, extra_debs: '' };
    expect(await warnings({ ansible_user_vars: 'extra_debs="htop vim" myvar=1' })).toEqual([
      'myvar: is a variable of Ansible roles, which are not run',
    ]);
    expect(await warnings(variables)).toEqual(['ansible_user_vars: no Ansible is run, and the guest needs no Python']);
  });

  it('may not ask for different things', async () => {
    expect(await report(given({ cpu: '4', cpus: '2' }))).toBe(
      'vars.json:3:3: cpus: sets cpus to 2, but cpu (vars.json:2:3) sets it to 4',
    );
    expect(await report(given({ kubernetes_semver: 'v1.36.1', kubernetes_series: 'v1.35' }))).toBe(
      'vars.json:3:3: kubernetes_series: says v1.35, but kubernetes_semver says v1.36.1',
    );
  });

  it('give way when one that they follow is changed on the command line', async () => {
    const variables = { kubernetes_semver: 'v1.36.1', kubernetes_series: 'v1.36', kubernetes_deb_version: '1.36.1-1.1' };
    const more = { vars: ['kubernetes_semver=v1.35.4'] };
    expect(await warnings(variables, more)).toEqual([
      'kubernetes_series: says v1.36, but kubernetes_semver v1.35.4 counts',
      'kubernetes_deb_version: says 1.36.1-1.1, but kubernetes_semver v1.35.4 counts',
    ]);
    expect((await configuredImage(given(variables, more))).image.spec.kubernetes.version).toBe('v1.35.4');
  });
});

describe('values', () => {
  it('may name other variables and the environment', async () => {
    const env = { PACKER_VAR_FILES: 'vars.json', SITE: 'north' };
    const variables = { build_name: '{{user `mine`}}-{{env `SITE`}}', mine: 'node' };
    expect((await configuredImage(given(variables, { env }))).image.name).toBe('node-north');
  });

  it('are base64 where image-builder has them so', async () => {
    const settings = '[metrics]\n  address = "127.0.0.1:1338"\n';
    const { containerd } = await recipes({ containerd_additional_settings: Buffer.from(settings).toString('base64') });
    expect(containerd).toMatchObject({ settings });
    expect(await report(given({ containerd_additional_settings: '[metrics]' }))).toBe(
      'vars.json:2:3: containerd_additional_settings: must be base64 of TOML text (base64 -w0 settings.toml)',
    );
  });

  it('are nothing when they are null or empty', async () => {
    expect(await warnings({ runc_version: null, extra_rpms: '', node_custom_roles_pre: '', iso_url: null })).toEqual([]);
  });

  it('of repositories become those of the package recipe, proxies serve packages and images', async () => {
    const { setup, containerd } = await recipes({
      disable_public_repos: 'true',
      reenable_public_repos: 'false',
      http_proxy: 'http://proxy.example:3128',
      no_proxy: 'localhost,.example',
    });
    expect(setup).toMatchObject({
      disable: true,
      keepDisabled: true,
      proxy: { http: 'http://proxy.example:3128', noProxy: ['localhost', '.example'] },
    });
    expect(containerd).toMatchObject({ proxy: { http: 'http://proxy.example:3128', no: ['localhost', '.example'] } });
  });
});

describe('names', () => {
  it('that nobody knows are refused with the nearest', async () => {
    expect(await report(given({ kubernetes_semvr: 'v1.36.1' }))).toBe(
      'vars.json:2:3: kubernetes_semvr: is no variable of image-builder and no setting (did you mean kubernetes_semver?)',
    );
  });

  it('that mean nothing are named with the reason', async () => {
    expect(await warnings({ node_custom_roles_post: 'mine', goss_version: '0.3.23', azure_location: 'x' })).toEqual([
      'node_custom_roles_post: Ansible roles cannot be run here; write their steps under provision with at: after-recipes (mine)',
      'goss_version: recipes bring their own checks, on the build and on a fresh boot; no goss is run',
      'azure_location: is of image-builder’s Azure builder, for which there is no driver',
    ]);
  });

  it('of PKR_VAR_ are variables too, and others’ are let be', async () => {
    const env = { PKR_VAR_kubernetes_semver: 'v1.35.4', PKR_VAR_else: 'x' };
    const { images, warnings: said } = await configured({ targets: ['debian13'], env, registry });
    expect(images[0]?.image.spec.kubernetes.version).toBe('v1.35.4');
    expect(said.map(({ path, message }) => `${path}: ${message}`)).toEqual(['else: is no variable of image-builder']);
  });

  it('mean the same in --var-file, and memory is MiB there', async () => {
    const files = { 'mine.json': '{"memory": "4096", "kubernetes_semver": "v1.35.4"}' };
    const { image } = await configuredImage({ targets: ['debian13'], files, varFiles: ['mine.json'], registry });
    expect(image.spec).toMatchObject({ memory: 4 * 1024 ** 3, kubernetes: { version: 'v1.35.4' } });
  });
});

describe('PACKER_FLAGS', () => {
  it('gives variables; what else it says is named', async () => {
    const env = { PACKER_FLAGS: "--var 'kubernetes_semver=v1.35.4' -var cpus=3 -on-error=ask" };
    const { images, warnings: said } = await configured({ targets: ['debian13'], env, registry });
    expect(images[0]?.image.spec).toMatchObject({ cpus: 3, kubernetes: { version: 'v1.35.4' } });
    expect(said.map(({ message }) => message)).toEqual(['only -var and -var-file count here, not -on-error=ask']);
  });

  it('is read like a shell reads it', () => {
    expect(
      packerEnvironment({ PACKER_FLAGS: '-var-file=a.json -var-file "b c.json" -color=false', PACKER_VAR_FILES: ' x.json ' }),
    ).toEqual({
      files: ['x.json', 'a.json', 'b c.json'],
      vars: [],
      named: {},
      ignored: ['-color=false'],
    });
    expect(packerEnvironment({ PACKER_FLAGS: '-var "a=b' }).ignored).toEqual(['a quote that is not closed']);
  });
});

describe('texts', () => {
  it('are split into words, and words are put together again', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '"', '\\', '$', '=') });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 5 }), (list) => {
        const text = list.map((entry) => `"${entry.replaceAll(/["\\$`]/g, String.raw`\$&`)}"`).join(' ');
        expect(shellWords(text)).toEqual(list);
      }),
    );
    expect(readAnsibleVars('{"a": "1", "b": ["x", "y"], "c": null}')).toEqual([
      ['a', '1'],
      ['b', 'x,y'],
      ['c', ''],
    ]);
  });

  it('with templates are expanded, or given up', () => {
    const user = (name: string) => ({ a: '1', b: '{{user `a`}}2', loop: '{{user `loop`}}' })[name];
    expect(expandTemplate('{{ user `b` }}-{{env `C`}}', user, { C: '3' })).toBe('12-3');
    expect(expandTemplate('{{user `loop`}}', user, {})).toBeUndefined();
    expect(expandTemplate('{{timestamp}}', user, {})).toBeUndefined();
  });
});
