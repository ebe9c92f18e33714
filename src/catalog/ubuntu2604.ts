import type { OsDefinition } from '../core/index.ts';
import { ubuntuBases } from './vendors.ts';

const DIGESTS = {
  amd64: '8800651811af9a85465ad1d552add729947bb16488dddb4a9b5305a3d97332b2',
  arm64: '63a93bd5a8d76e33b15ceb5daa3657bd79be804748051ab178e643b0f5da22e7',
};

export const ubuntu2604: OsDefinition = {
  id: 'ubuntu2604',
  aliases: ['ubuntu-2604'],
  title: 'Ubuntu 26.04 LTS (resolute)',
  family: 'debian',
  distribution: 'ubuntu',
  version: '26.04',
  codename: 'resolute',
  packageManager: 'apt',
  endOfLife: '2031-05-29',
  bases: ubuntuBases({ version: '26.04', codename: 'resolute', build: '20260927', digests: DIGESTS }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'ubuntu',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  ovf: { id: 94, type: 'ubuntu64Guest', description: 'Ubuntu Linux (64-bit)' },
};
