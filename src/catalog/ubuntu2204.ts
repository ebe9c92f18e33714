import type { OsDefinition } from '../core/index.ts';
import { ubuntuBases } from './vendors.ts';

const DIGESTS = {
  amd64: '0c9811a81e6329acacbb5ae4e701a7650f85cd3f19852cd159d79ab8357b210e',
  arm64: '04f2ca6af841918df1fa1aaba485f2b5f3d451f90459e48c066bbd70ebed174f',
};

export const ubuntu2204: OsDefinition = {
  id: 'ubuntu2204',
  aliases: ['ubuntu-2204'],
  title: 'Ubuntu 22.04 LTS (jammy)',
  family: 'debian',
  distribution: 'ubuntu',
  version: '22.04',
  codename: 'jammy',
  packageManager: 'apt',
  endOfLife: '2027-06-01',
  bases: ubuntuBases({ version: '22.04', codename: 'jammy', build: '20260926', digests: DIGESTS }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'ubuntu',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  ovf: { id: 94, type: 'ubuntu64Guest', description: 'Ubuntu Linux (64-bit)' },
};
