import type { OsDefinition } from '../core/index.ts';
import { ubuntuBases } from './vendors.ts';

// Of the last release build; there will be no other.
const DIGESTS = {
  amd64: '18f2977d77dfea1b74aee14533bd21c34f789139e949c57023b7364894b7e5e9',
  arm64: 'd4603cd783e2578f838c63f7c3a8dae6b554bd6358870f2c8eb182aa51ade465',
};

export const ubuntu2004: OsDefinition = {
  id: 'ubuntu2004',
  aliases: ['ubuntu-2004'],
  title: 'Ubuntu 20.04 LTS (focal)',
  family: 'debian',
  distribution: 'ubuntu',
  version: '20.04',
  codename: 'focal',
  packageManager: 'apt',
  endOfLife: '2025-05-31',
  bases: ubuntuBases({ version: '20.04', codename: 'focal', build: '20250624', digests: DIGESTS }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'ubuntu',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  ovf: { id: 94, type: 'ubuntu64Guest', description: 'Ubuntu Linux (64-bit)' },
};
