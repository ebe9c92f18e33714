import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { vsphere } from '../../../../drivers/vsphere/driver.ts';
import { refused } from '../../../../drivers/vsphere/errors.ts';
import { isAtLeast } from '../../../../drivers/vsphere/vi-json.ts';
import { taskFailed } from '../../../../drivers/vsphere/wait.ts';
import { loadRegistry } from '../../../../src/cli/registry.ts';
import { Secret } from '../../../../src/core/index.ts';
import { planBuild } from '../../../../src/plan/planner.ts';
import { configuredImage } from '../../../support/configured.ts';

const place = { server: 'vc', username: 'kib' };

describe('options of the vsphere driver', () => {
  it('keep a password that is given as text to themselves', () => {
    const { password } = vsphere.options.parse({ ...place, password: 'Corr3ct-horse' });
    expect(inspect(password) + JSON.stringify(password) + (password as Secret).toString()).not.toContain('Corr3ct-horse');
    expect(vsphere.options.parse(place).password).toEqual({ env: 'VSPHERE_PASSWORD' });
  });

  it('are taken from image-builder’s vsphere.json', async () => {
    const json = `{
    "vcenter_server":"vc.example.org",
    "username":"builder",
    "password":"Corr3ct-horse",
    "datastore":"template_datastore",
    "folder": "template_folder_on_vcenter",
    "cluster": "esxi_cluster_used_for_template_creation",
    "network": "network_attached_to_template",
    "insecure_connection": "false"
}`;
    const files = { 'node.yaml': 'image: debian13\nbase: bootstrap\ndriver: vsphere\n', 'vsphere.json': json };
    const { image } = await configuredImage({ files, varFiles: ['vsphere.json'], registry: await loadRegistry() });
    expect(image.driverOptions).toMatchObject({
      server: 'vc.example.org',
      username: 'builder',
      datastore: 'template_datastore',
      folder: 'template_folder_on_vcenter',
      cluster: 'esxi_cluster_used_for_template_creation',
      network: 'network_attached_to_template',
      insecure: false,
    });
    const { password } = image.driverOptions as { readonly password: unknown };
    expect(password).toBeInstanceOf(Secret);
    expect(JSON.stringify([image.spec, image.driverOptions, planBuild(image)])).not.toContain('Corr3ct-horse');
  });

  it.each(['https://vc', 'vc/sdk', 'user@vc', ''])('refuse the server %s', (server) => {
    expect(vsphere.options.safeParse({ ...place, server }).success).toBe(false);
  });

  it.each(['vc', 'vc.example.org:8443', '192.0.2.1', '[2001:db8::1]:443'])('take the server %s', (server) => {
    expect(vsphere.options.safeParse({ ...place, server }).success).toBe(true);
  });

  it.each([
    [{ insecure: true, caFile: 'ca.pem' }, 'caFile'],
    [{ address: { cidr: '192.0.2.10/24', gateway: '2001:db8::1' } }, 'address.gateway'],
    [{ address: { cidr: '192.0.2.10/24' }, seed: 'ovf' }, 'address'],
    [{ template: { kind: 'machine', library: 'x' } }, 'template.library'],
    [{}, undefined],
  ] as const)('with %o have a problem with %s', (given, path) => {
    const machine = { arch: 'amd64', firmware: 'uefi', cpus: 1, memoryBytes: 2 ** 30, diskBytes: 2 ** 30, x86Level: 1 } as const;
    expect(vsphere.validate?.(machine, vsphere.options.parse({ ...place, ...given })).map((issue) => issue.path)).toEqual(
      path === undefined ? [] : [path],
    );
  });
});

it.each([
  ['8.0.1.0', '8.0.1.0', true],
  ['8.0.2.0', '8.0.1.0', true],
  ['9.0', '8.0.1.0', true],
  ['8.0.0.2', '8.0.1.0', false],
  ['8.0', '8.0.1.0', false],
  ['7.0.3.0', '7.0.3', true],
  ['6.7', '7.0.2', false],
])('version %s against %s: %s', (version, wanted, expected) => {
  expect(isAtLeast(version, wanted)).toBe(expected);
});

describe('words of vCenter', () => {
  const call = { method: 'POST', path: '/api/vcenter/vm' };

  it.each([
    [{ error_type: 'X', messages: [{ default_message: 'one' }, { default_message: 'two' }] }, 'one; two'],
    [{ value: { messages: [{ default_message: 'legacy' }] } }, 'legacy'],
    [{ _typeName: 'RuntimeFault', localizedMessage: 'json' }, 'json'],
    ['<html>a proxy</html>', '<html>a proxy</html>'],
    [undefined, 'status 500'],
  ])('are read from %o', (body, words) => {
    expect(refused('vc', call, 500, body).message).toBe(`vc refused POST /api/vcenter/vm: ${words}`);
  });

  it('tell a full datastore from other failures', () => {
    expect(taskFailed('it', { errors: [{ message: { default_message: 'Insufficient disk space on datastore x' } }] }).code).toBe(
      'KIB_VSPHERE_STORAGE',
    );
    expect(taskFailed('it', undefined).message).toBe('it failed: no reason was given');
  });
});
