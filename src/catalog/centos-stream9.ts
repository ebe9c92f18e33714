import type { OsDefinition } from '../core/index.ts';
import { streamBases } from './vendors.ts';

const DIGESTS = {
  amd64: 'c2bde1f49fcb2efa55c40c4ec5011a8f2fb227c63254774b2a4d186b41f3a9a5',
  arm64: '6dcb4a1518d84e414fb53fe28ae841bb16bba2499a7ad523caabf44b3ccbb3c2',
};

export const centosStream9: OsDefinition = {
  id: 'centos-stream9',
  aliases: ['centos-9', 'centos-stream-9'],
  title: 'CentOS Stream 9',
  family: 'rhel',
  distribution: 'centos',
  version: '9',
  packageManager: 'dnf',
  endOfLife: '2027-05-31',
  bases: streamBases({ version: '9', build: '20260720.0', digests: DIGESTS }),
  // The amd64 image has no EFI system partition (https://issues.redhat.com/browse/CS-2672).
  firmware: ['bios'],
  defaultUser: 'cloud-user',
  selinux: true,
  x86Level: 2,
  sshUnit: 'sshd.service',
  ovf: { id: 107, type: 'centos9_64Guest', description: 'CentOS Stream 9 (64-bit)' },
};
