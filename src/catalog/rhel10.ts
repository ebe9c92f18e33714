import type { OsDefinition } from '../core/index.ts';
import { redHatBases } from './vendors.ts';

export const rhel10: OsDefinition = {
  id: 'rhel10',
  aliases: ['rhel-10'],
  title: 'Red Hat Enterprise Linux 10',
  family: 'rhel',
  distribution: 'rhel',
  version: '10',
  packageManager: 'dnf',
  endOfLife: '2035-05-31',
  bases: redHatBases('10'),
  bring:
    'download the KVM guest image of RHEL 10 from https://access.redhat.com/downloads with a Red Hat account, and name it: base: {file: rhel-10-x86_64-kvm.qcow2}',
  firmware: ['uefi', 'bios'],
  defaultUser: 'cloud-user',
  selinux: true,
  x86Level: 3,
  sshUnit: 'sshd.service',
  // rhel10_64Guest needs virtual hardware 22 (vSphere 9); the type before it means the same virtual hardware.
  ovf: { id: 80, type: 'rhel9_64Guest', description: 'Red Hat Enterprise Linux 10 (64-bit)' },
};
