import { describe, expect, it } from 'vitest';
import { catalog } from '../../../src/catalog/index.ts';
import { osNamed, osNameHint, osNames, targetNamed } from '../../../src/config/os-names.ts';

describe('names of operating systems', () => {
  it('are each understood as one of the catalog', () => {
    for (const os of catalog) for (const name of [os.id, ...os.aliases]) expect(osNamed(catalog, name)).toBe(os);
    expect(new Set(osNames(catalog)).size).toBe(osNames(catalog).length);
  });

  it.each(['debian', 'ubuntu-2405', 'UBUNTU-2404', ''])('do not include %j', (name) => {
    expect(osNamed(catalog, name)).toBeUndefined();
    expect(targetNamed(catalog, name)).toBeUndefined();
  });
});

describe('targets of image-builder', () => {
  it.each([
    ['rocky10', { image: 'rocky10' }],
    ['photon-5', { image: 'photon5' }],
    ['amazon-2023', { image: 'amazonlinux2023' }],
    ['build-qemu-ubuntu-2404', { image: 'ubuntu2404', driver: 'qemu', formats: ['qcow2'] }],
    ['validate-qemu-ubuntu-2404', { image: 'ubuntu2404', driver: 'qemu', formats: ['qcow2'] }],
    ['qemu-rockylinux-9-cloudimg', { image: 'rocky9', driver: 'qemu', formats: ['qcow2'] }],
    ['build-qemu-centos-10', { image: 'centos-stream10', driver: 'qemu', formats: ['qcow2'] }],
    [
      'build-kubevirt-qemu-ubuntu-2204-efi',
      {
        image: 'ubuntu2204',
        driver: 'qemu',
        formats: ['qcow2'],
        firmware: 'uefi',
        recipes: { providers: { targets: ['qemu', 'kubevirt'] } },
      },
    ],
    ['build-node-ova-esx-photon-3', { image: 'photon3', driver: 'esxi', formats: ['ova'] }],
    ['build-node-ova-local-photon-5', { image: 'photon5', driver: 'qemu', formats: ['ova'] }],
    ['build-node-ova-local-vmx-photon-4', { image: 'photon4', driver: 'qemu', formats: ['ova'] }],
    ['build-node-ova-vsphere-almalinux-9', { image: 'almalinux9', driver: 'vsphere', formats: ['ova'] }],
    ['build-node-ova-vsphere-clone-rhel-9', { image: 'rhel9', driver: 'vsphere', formats: ['template'] }],
    ['build-raw-rhel-9-efi', { image: 'rhel9', driver: 'qemu', formats: ['raw'], firmware: 'uefi' }],
    ['build-ami-amazon-2', { image: 'amazonlinux2', driver: 'ec2', formats: ['ami'] }],
    ['build-ami-ubuntu-2404-arm64', { image: 'ubuntu2404', driver: 'ec2', formats: ['ami'], arch: 'arm64' }],
  ])('%s', (name, settings) => {
    expect(targetNamed(catalog, name)).toEqual(settings);
  });

  // Every Linux target of images/capi/Makefile whose provider builds what is built here; Flatcar is not.
  it('are all understood', () => {
    const systems = ['photon-4', 'photon-5', 'rhel-9', 'rockylinux-9', 'almalinux-9'];
    const ubuntus = ['ubuntu-2204', 'ubuntu-2404', 'ubuntu-2604'].flatMap((name) => [name, `${name}-efi`]);
    const modes = ['local', 'local-vmx', 'local-base', 'vsphere', 'vsphere-base', 'vsphere-clone'];
    const qemu = [...ubuntus, 'ubuntu-2204-cloudimg', 'centos-9', 'centos-10', 'rhel-9', 'rockylinux-9', 'rockylinux-9-cloudimg'];
    const targets = [
      ...modes.flatMap((mode) => [...systems, ...ubuntus].map((name) => `node-ova-${mode}-${name}`)),
      ...qemu.flatMap((name) => [`qemu-${name}`, `kubevirt-qemu-${name}`]),
      ...[...ubuntus, 'rhel-9', 'rhel-9-efi'].map((name) => `raw-${name}`),
      ...['ubuntu-2204-arm64', 'ubuntu-2604', 'amazon-2', 'amazon-2023', 'amazon-2023-arm64'].map((name) => `ami-${name}`),
    ];
    expect(targets.filter((name) => targetNamed(catalog, `build-${name}`) === undefined)).toEqual([]);
  });

  it.each([
    'build-qemu-flatcar',
    'build-qemu-ubuntu-2404-immutable',
    'build-gce-ubuntu-2404',
    'build-ubuntu-2404',
    'qemu-',
    'build-qemu-ubuntu-2404-',
  ])('%s is none of ours', (name) => {
    expect(targetNamed(catalog, name)).toBeUndefined();
  });

  it('says what may have been meant', () => {
    expect(osNameHint(catalog, 'build-qemu-ubuntu-2405')).toBe('did you mean ubuntu-2404?');
    expect(osNameHint(catalog, 'rokylinux-9')).toBe('did you mean rockylinux-9?');
    expect(osNameHint(catalog, 'build-gce-ubuntu-2404')).toContain('other clouds take a qcow2 or raw image');
    expect(osNameHint(catalog, 'zzzzzz')).toBeUndefined();
  });
});
