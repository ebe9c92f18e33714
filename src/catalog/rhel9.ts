import type { OsDefinition } from '../core/index.ts';
import { redHatBases } from './vendors.ts';

export const rhel9: OsDefinition = {
  id: 'rhel9',
  aliases: ['rhel-9'],
  title: 'Red Hat Enterprise Linux 9',
  family: 'rhel',
  distribution: 'rhel',
  version: '9',
  packageManager: 'dnf',
  endOfLife: '2032-05-31',
  bases: redHatBases('9'),
  bring:
    'download the KVM guest image of RHEL 9 from https://access.redhat.com/downloads with a Red Hat account, and name it: base: {file: rhel-9-x86_64-kvm.qcow2}',
  firmware: ['uefi', 'bios'],
  defaultUser: 'cloud-user',
  selinux: true,
  x86Level: 2,
  sshUnit: 'sshd.service',
  ovf: { id: 80, type: 'rhel9_64Guest', description: 'Red Hat Enterprise Linux 9 (64-bit)' },
};
