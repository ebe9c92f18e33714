import type { OsDefinition } from '../core/index.ts';
import { almalinux10Key } from './keys/almalinux10.ts';
import { almaBases } from './vendors.ts';

const DIGESTS = {
  amd64: '47f2218668dd4776be140dd92fa3bea700be1766e2c7d88bdfd6a4b50f477b4d',
  arm64: '336c6861fe0ba9115af00f557ed1b09385a3525612dd0cb9cce7e0486f8e74a4',
};

export const almalinux10: OsDefinition = {
  id: 'almalinux10',
  aliases: ['almalinux-10'],
  title: 'AlmaLinux OS 10',
  family: 'rhel',
  distribution: 'almalinux',
  version: '10',
  packageManager: 'dnf',
  endOfLife: '2035-05-31',
  bases: almaBases({ version: '10', build: '10.2-20260526.0', digests: DIGESTS, key: almalinux10Key }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'almalinux',
  selinux: true,
  x86Level: 3,
  sshUnit: 'sshd.service',
  ovf: { id: 80, type: 'almalinux_64Guest', description: 'AlmaLinux (64-bit)' },
};
