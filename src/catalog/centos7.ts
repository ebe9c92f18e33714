import type { ChecksumList, OsDefinition } from '../core/index.ts';
import { centos7Key } from './keys/centos7.ts';
import { ami, latest, pinned } from './sources.ts';

// The last build, of November 2022. Its packages are at vault.centos.org alone.
const ROOT = 'https://cloud.centos.org/centos/7/images';
const LIST: ChecksumList = {
  url: `${ROOT}/sha256sum.txt.asc`,
  algorithm: 'sha256',
  signature: { kind: 'clearsigned', key: centos7Key },
};
const image = (machine: string) => `${ROOT}/CentOS-7-${machine}-GenericCloud-2211.qcow2`;

export const centos7: OsDefinition = {
  id: 'centos7',
  aliases: ['centos-7'],
  title: 'CentOS 7',
  family: 'rhel',
  distribution: 'centos',
  version: '7',
  packageManager: 'yum',
  endOfLife: '2024-06-30',
  bases: {
    amd64: [
      pinned(image('x86_64'), '284aab2b23d91318f169ff464bce4d53404a15a0618ceb34562838c59af4adea', LIST),
      latest(image('x86_64'), LIST),
      ami({ owner: '125523088429', name: 'CentOS Linux 7 x86_64 - *' }),
    ],
    arm64: [latest(image('aarch64'), LIST), ami({ owner: '125523088429', name: 'CentOS Linux 7 aarch64 - *' })],
  },
  firmware: ['bios'],
  defaultUser: 'centos',
  selinux: true,
  x86Level: 1,
  lacksVmwareDatasource: true,
  sshUnit: 'sshd.service',
  ovf: { id: 107, type: 'centos7_64Guest', description: 'CentOS 7 (64-bit)' },
};
