import { describe, expect, it } from 'vitest';
import { vsphere } from '../../drivers/vsphere/driver.ts';
import { GiB, type MachineSpec } from '../../src/core/index.ts';
import { expectGolden } from '../support/golden.ts';

const machine: MachineSpec = { arch: 'amd64', firmware: 'uefi', cpus: 2, memoryBytes: 2 * GiB, diskBytes: 20 * GiB, x86Level: 1 };
const place = { server: 'vcenter.example.org', username: 'kib@vsphere.local' };

const CASES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  defaults: {},
  customization: {
    datacenter: 'dc1',
    cluster: 'cluster1',
    folder: 'team/images',
    network: 'VM Network',
    seed: 'customization',
    keepBases: false,
    template: { kind: 'inventory', name: 'golden' },
  },
  ovf: { host: 'esx1', address: { cidr: '192.0.2.10/24' }, seed: 'ovf', template: { kind: 'machine' } },
};

describe('the vSphere calls', () => {
  it.each(Object.entries(CASES))('%s', (name, options) => {
    const lines = vsphere.preview(machine, vsphere.options.parse({ ...place, ...options }));
    expectGolden(`fixtures/vsphere/${name}.txt`, lines.map(({ title, argv }) => `${title}\n  ${argv.join(' ')}\n`).join(''));
  });

  it('show no password', () => {
    const options = vsphere.options.parse({ ...place, password: 'Corr3ct-horse' });
    expect(JSON.stringify([options, vsphere.preview(machine, options)])).not.toContain('Corr3ct-horse');
  });
});
