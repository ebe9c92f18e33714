import type { OsDefinition } from '../core/index.ts';
import { rockyBases } from './vendors.ts';

const DIGESTS = {
  amd64: '92c206cc6f790c61583247eefe87890f8828420662c17cacf247cec78ab4eec8',
  arm64: '24692a444f1f0b8bb95375c38c8b43f8099a115347623691be2c330b40c8a1fe',
};

export const rocky9: OsDefinition = {
  id: 'rocky9',
  aliases: ['rockylinux-9', 'rocky-9'],
  title: 'Rocky Linux 9',
  family: 'rhel',
  distribution: 'rocky',
  version: '9',
  packageManager: 'dnf',
  endOfLife: '2032-05-31',
  bases: rockyBases({ version: '9', build: '9.8-20260525.0', digests: DIGESTS }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'rocky',
  selinux: true,
  x86Level: 2,
  sshUnit: 'sshd.service',
  ovf: { id: 80, type: 'rockylinux_64Guest', description: 'Rocky Linux (64-bit)' },
};
