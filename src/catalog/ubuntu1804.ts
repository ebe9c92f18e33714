import type { OsDefinition } from '../core/index.ts';
import { latest, onBoth } from './sources.ts';
import { ubuntuAmi, ubuntuLatest } from './vendors.ts';

// Its last release build, by the signed list in its folder: no digest of it is known here.

export const ubuntu1804: OsDefinition = {
  id: 'ubuntu1804',
  aliases: ['ubuntu-1804'],
  title: 'Ubuntu 18.04 LTS (bionic)',
  family: 'debian',
  distribution: 'ubuntu',
  version: '18.04',
  codename: 'bionic',
  packageManager: 'apt',
  endOfLife: '2023-05-31',
  bases: onBoth((arch) => [
    latest(...ubuntuLatest('18.04', 'bionic', 'release-20230607', arch)),
    ubuntuAmi('18.04', 'bionic', arch),
  ]),
  firmware: ['uefi', 'bios'],
  defaultUser: 'ubuntu',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  ovf: { id: 94, type: 'ubuntu64Guest', description: 'Ubuntu Linux (64-bit)' },
};
