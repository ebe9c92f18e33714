import type { OsDefinition } from '../core/index.ts';
import { debianBases } from './vendors.ts';

const DIGESTS = {
  amd64:
    '3d94c9dd66d8a283fde060b8810373b7ae04038b956ee00d553d1ae564f6fbdeaa2fd6e7404e87e53348b5a9509170f3ea7c0731ba737590c5c4cb8d559a47f8',
  arm64:
    '89a752d5c7d8e88bee39a57d88d496cca574f7d1e8df5df7a169825435f99feb11ed13ab27ec7bee96fe1584be4ff9479358fbca6cc859efa109f4aba18724c8',
};

export const debian12: OsDefinition = {
  id: 'debian12',
  aliases: ['debian-12'],
  title: 'Debian 12 (bookworm)',
  family: 'debian',
  distribution: 'debian',
  version: '12',
  codename: 'bookworm',
  packageManager: 'apt',
  endOfLife: '2028-06-30',
  bases: debianBases({ version: '12', codename: 'bookworm', build: '20260923-2610', digests: DIGESTS }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'debian',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  ovf: { id: 96, type: 'debian12_64Guest', description: 'Debian GNU/Linux 12 (64-bit)' },
};
