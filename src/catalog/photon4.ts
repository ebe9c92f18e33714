import type { OsDefinition } from '../core/index.ts';

// VMware publishes installers, an OVA whose kernel is made for its own hypervisors (linux-esx) and archives for three clouds, whose
// cloud-init asks these clouds alone (support/image-builder in github.com/vmware/photon). None boots everywhere from a NoCloud seed.
export const photon4: OsDefinition = {
  id: 'photon4',
  aliases: ['photon-4'],
  title: 'VMware Photon OS 4',
  family: 'photon',
  distribution: 'photon',
  version: '4',
  packageManager: 'tdnf',
  endOfLife: '2027-10-11',
  bases: {},
  bring:
    'install its minimal packages once from the ISO of https://github.com/vmware/photon/wiki/Downloading-Photon-OS (cloud-init is among ' +
    'them), and name the disk: base: {file: photon-4.qcow2}',
  firmware: ['uefi', 'bios'],
  defaultUser: 'photon',
  selinux: false,
  x86Level: 1,
  sshUnit: 'sshd.service',
  ovf: { id: 36, type: 'vmwarePhoton64Guest', description: 'VMware Photon OS (64-bit)' },
};
