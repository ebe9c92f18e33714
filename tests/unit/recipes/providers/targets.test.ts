import { describe, expect, it } from 'vitest';
import { datasourcesOf } from '../../../../recipes/providers/cloud-init.ts';
import { networkOf, targetsOf, usesDracut } from '../../../../recipes/providers/targets.ts';
import { osOf } from '../../../support/plan.ts';

describe('targetsOf', () => {
  it.each([
    ['qemu', ['qcow2'], ['qemu']],
    ['libvirt', ['qcow2', 'raw'], ['qemu', 'raw']],
    ['qemu', ['qcow2', 'ova'], ['qemu', 'vmware']],
    ['vsphere', ['ova'], ['vmware']],
    ['esxi', ['ova'], ['vmware']],
    ['ec2', ['ami'], ['aws']],
  ] as const)('%s to %j is %j', (driver, formats, targets) => {
    expect(targetsOf({ driver, formats })).toEqual(targets);
  });
});

describe('datasourcesOf', () => {
  it('narrows the search only where every target has data sources of its own', () => {
    const debian = osOf('debian13');
    expect(datasourcesOf(['vmware', 'aws'], debian)).toEqual(['VMware', 'OVF', 'Ec2', 'NoCloud', 'ConfigDrive', 'None']);
    expect(datasourcesOf(['vmware', 'qemu'], debian)).toBeUndefined();
    expect(datasourcesOf(['raw'], debian)).toBeUndefined();
  });

  it('has NoCloud first where guestinfo becomes a seed of it', () => {
    const old = osOf('centos7');
    expect(datasourcesOf(['vmware'], old)).toEqual(['NoCloud', 'OVF', 'ConfigDrive', 'None']);
    expect(datasourcesOf(['aws', 'vmware'], old)).toEqual(['Ec2', 'NoCloud', 'OVF', 'ConfigDrive', 'None']);
    expect(datasourcesOf(['aws'], old)).toEqual(['Ec2', 'NoCloud', 'ConfigDrive', 'None']);
  });
});

describe('operating systems', () => {
  it('know their initial RAM disk and network', () => {
    expect([usesDracut(osOf('debian13')), usesDracut(osOf('ubuntu2404')), usesDracut(osOf('rocky10'))]).toEqual([
      false,
      false,
      true,
    ]);
    expect(usesDracut({ ...osOf('ubuntu2404'), version: '26.04' })).toBe(true);
    expect([networkOf(osOf('debian13')), networkOf(osOf('ubuntu2404')), networkOf(osOf('rocky10'))]).toEqual([
      'networkd',
      'netplan',
      'NetworkManager',
    ]);
  });
});
