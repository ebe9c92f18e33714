import type { OsDefinition } from '../core/index.ts';
import { almalinux9Key } from './keys/almalinux9.ts';
import { almaBases } from './vendors.ts';

const DIGESTS = {
  amd64: 'c397eed7023e92c841155831b1f47e26300e5bef0f0256c129322307c897a251',
  arm64: 'b5d883c5f84c68a9828fbd3aac863f9a723b43f8965a32ff7a1c198301f42a29',
};

export const almalinux9: OsDefinition = {
  id: 'almalinux9',
  aliases: ['almalinux-9'],
  title: 'AlmaLinux OS 9',
  family: 'rhel',
  distribution: 'almalinux',
  version: '9',
  packageManager: 'dnf',
  endOfLife: '2032-05-31',
  bases: almaBases({ version: '9', build: '9.8-20260526', digests: DIGESTS, key: almalinux9Key }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'almalinux',
  selinux: true,
  x86Level: 2,
  sshUnit: 'sshd.service',
  ovf: { id: 80, type: 'almalinux_64Guest', description: 'AlmaLinux (64-bit)' },
};
