import type { OsDefinition } from '../core/index.ts';
import { streamBases } from './vendors.ts';

const DIGESTS = {
  amd64: '93796945df5e54952be21ca85067f0c9f3b11a2dd6ee2163154fd9748c4c41d7',
  arm64: 'e7922ec8c52fb1ba6faa0ba0d92ef0e89a4b0922294781c9564b8c721eb445a8',
};

export const centosStream10: OsDefinition = {
  id: 'centos-stream10',
  aliases: ['centos-10', 'centos-stream-10'],
  title: 'CentOS Stream 10',
  family: 'rhel',
  distribution: 'centos',
  version: '10',
  packageManager: 'dnf',
  endOfLife: '2030-05-31',
  bases: streamBases({ version: '10', build: '20260720.0', digests: DIGESTS }),
  // The amd64 image has no EFI system partition (https://issues.redhat.com/browse/CS-2672).
  firmware: ['bios'],
  defaultUser: 'cloud-user',
  selinux: true,
  x86Level: 3,
  sshUnit: 'sshd.service',
  // Hosts know no type for 10; the one before it means the same virtual hardware.
  ovf: { id: 107, type: 'centos9_64Guest', description: 'CentOS Stream 10 (64-bit)' },
};
