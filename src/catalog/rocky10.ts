import type { OsDefinition } from '../core/index.ts';
import { rocky10Key } from './keys/rocky10.ts';
import { rockyBases } from './vendors.ts';

const DIGESTS = {
  amd64: '9fc9e9ff16888bb68ac39b0392e25c9c92684d50c85f1cce6ab549363bbc4b48',
  arm64: '457c8375e19496f43a25c4a6169fa11237536c53cef6f85a20ea3c5a751aa0f5',
};

export const rocky10: OsDefinition = {
  id: 'rocky10',
  aliases: ['rockylinux-10', 'rocky-10'],
  title: 'Rocky Linux 10',
  family: 'rhel',
  distribution: 'rocky',
  version: '10',
  packageManager: 'dnf',
  endOfLife: '2035-05-31',
  bases: rockyBases({ version: '10', build: '10.2-20260525.0', digests: DIGESTS, key: rocky10Key }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'rocky',
  selinux: true,
  x86Level: 3,
  sshUnit: 'sshd.service',
  ovf: { id: 80, type: 'rockylinux_64Guest', description: 'Rocky Linux (64-bit)' },
};
