import type { OsDefinition } from '../core/index.ts';

// VMware publishes installers, an OVA whose kernel is made for its own hypervisors (linux-esx) and archives for three clouds, whose
// cloud-init asks these clouds alone (support/image-builder in github.com/vmware/photon). None boots everywhere from a NoCloud seed.
export const photon3: OsDefinition = {
  id: 'photon3',
  aliases: ['photon-3'],
  title: 'VMware Photon OS 3',
  family: 'photon',
  distribution: 'photon',
  version: '3',
  packageManager: 'tdnf',
  endOfLife: '2025-10-02',
  bases: {},
  bring:
    'install its minimal packages once from the ISO of https://github.com/vmware/photon/wiki/Downloading-Photon-OS (cloud-init is among ' +
    'them), and name the disk: base: {file: photon-3.qcow2}',
  firmware: ['uefi', 'bios'],
  defaultUser: 'photon',
  selinux: false,
  x86Level: 1,
  sshUnit: 'sshd.service',
  ovf: { id: 36, type: 'vmwarePhoton64Guest', description: 'VMware Photon OS (64-bit)' },
};
