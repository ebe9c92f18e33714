import type { OsDefinition } from '../core/index.ts';
import { ubuntuBases } from './vendors.ts';

const DIGESTS = {
  amd64: '6a81c37564db9b1ee84e141922625e1d7c5b389b99bb3c572e0243607d5bb4d2',
  arm64: '1d6bffe64b848468ac97f821d369a4846d983de1800ccf6b5ec8853e85cefc55',
};

export const ubuntu2404: OsDefinition = {
  id: 'ubuntu2404',
  aliases: ['ubuntu-2404'],
  title: 'Ubuntu 24.04 LTS (noble)',
  family: 'debian',
  distribution: 'ubuntu',
  version: '24.04',
  codename: 'noble',
  packageManager: 'apt',
  endOfLife: '2029-05-31',
  bases: ubuntuBases({ version: '24.04', codename: 'noble', build: '20260926', digests: DIGESTS }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'ubuntu',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  ovf: { id: 94, type: 'ubuntu64Guest', description: 'Ubuntu Linux (64-bit)' },
};
