import type { OsDefinition } from '../core/index.ts';
import { debianBases } from './vendors.ts';

const DIGESTS = {
  amd64:
    'f46f0671a6e5bdec5291ab8972bae2f10e5408c2f64a74078f11efc2f06a436a9d0313ed50e0472542eeabf780e9f7c792ac0a314c6c20507fcd9fd81b468c3d',
  arm64:
    'd8470b8c6c38fead046c794b5800a5a7b96672d5bcf543cc230ceb0c4b8ace05ed341a0c8928045422243fde26b2f1f2f58e99244c65709ffda2e3d4b674dd5a',
};

export const debian13: OsDefinition = {
  id: 'debian13',
  aliases: ['debian-13'],
  title: 'Debian 13 (trixie)',
  family: 'debian',
  distribution: 'debian',
  version: '13',
  codename: 'trixie',
  packageManager: 'apt',
  endOfLife: '2030-06-30',
  bases: debianBases({ version: '13', codename: 'trixie', build: '20261001-2618', digests: DIGESTS }),
  firmware: ['uefi', 'bios'],
  defaultUser: 'debian',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  // debian13_64Guest is known to the newest hosts only; the type before it means the same virtual hardware.
  ovf: { id: 96, type: 'debian12_64Guest', description: 'Debian GNU/Linux 13 (64-bit)' },
};
