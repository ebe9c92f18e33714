import type { BaseSource, OsDefinition } from '../core/index.ts';
import { rocky10Key } from './keys/rocky10.ts';

// The `latest` image rather than a dated one: Rocky Linux 10 signs its digest lists, and dated images move to the vault with each
// point release, which would break a pinned link twice a year.
const bases = (machine: 'x86_64' | 'aarch64'): readonly BaseSource[] => {
  const folder = `https://dl.rockylinux.org/pub/rocky/10/images/${machine}`;
  return [
    {
      kind: 'cloud-image',
      url: `${folder}/Rocky-10-GenericCloud-Base.latest.${machine}.qcow2`,
      format: 'qcow2',
      checksum: {
        kind: 'file',
        url: `${folder}/CHECKSUM`,
        algorithm: 'sha256',
        signature: { kind: 'detached', url: `${folder}/CHECKSUM.asc`, key: rocky10Key },
      },
    },
  ];
};

export const rocky10: OsDefinition = {
  id: 'rocky10',
  aliases: ['rockylinux-10'],
  title: 'Rocky Linux 10',
  family: 'rhel',
  distribution: 'rocky',
  version: '10',
  packageManager: 'dnf',
  endOfLife: '2035-05-31',
  bases: { amd64: bases('x86_64'), arm64: bases('aarch64') },
  firmware: ['uefi', 'bios'],
  defaultUser: 'rocky',
  selinux: true,
  x86Level: 3,
  sshUnit: 'sshd.service',
  ovf: { id: 80, type: 'rockylinux_64Guest', description: 'Rocky Linux (64-bit)' },
};
