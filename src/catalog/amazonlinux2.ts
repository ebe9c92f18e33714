import type { OsDefinition } from '../core/index.ts';
import { ami, latest, onBoth } from './sources.ts';

// The last build there was, by an unsigned checksum file: no digest of it is known here.
const FOLDER = {
  amd64: 'https://cdn.amazonlinux.com/os-images/latest/kvm',
  arm64: 'https://cdn.amazonlinux.com/os-images/latest/kvm-arm64',
};
const SUFFIX = { amd64: 'x86_64', arm64: 'arm64' };

export const amazonlinux2: OsDefinition = {
  id: 'amazonlinux2',
  aliases: ['amazon-2', 'amazonlinux-2', 'al2'],
  title: 'Amazon Linux 2',
  family: 'rhel',
  distribution: 'amzn',
  version: '2',
  packageManager: 'yum',
  endOfLife: '2026-06-30',
  bases: onBoth((arch) => [
    latest(`${FOLDER[arch]}/amzn2-kvm-2.0.*-${SUFFIX[arch]}.xfs.gpt.qcow2`, {
      url: `${FOLDER[arch]}/SHA256SUMS`,
      algorithm: 'sha256',
    }),
    ami({ ssmParameter: `/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-${SUFFIX[arch]}-gp2` }),
  ]),
  firmware: ['bios'],
  defaultUser: 'ec2-user',
  // Off in Amazon's images.
  selinux: false,
  x86Level: 1,
  lacksVmwareDatasource: true,
  sshUnit: 'sshd.service',
  ovf: { id: 101, type: 'amazonlinux2_64Guest', description: 'Amazon Linux 2 (64-bit)' },
};
