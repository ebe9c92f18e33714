import type { OsDefinition } from '../core/index.ts';
import { ami, onBoth, type PerArch, pinned } from './sources.ts';

// https://yum.oracle.com/oracle-linux-templates.html gives the digests; there is no checksum file and no link to the newest build.
const ROOT = 'https://yum.oracle.com/templates/OracleLinux/OL9/u8';
const IMAGES: PerArch<[string, string]> = {
  amd64: [`${ROOT}/x86_64/OL9U8_x86_64-kvm-b293.qcow2`, 'b12103391327abee8090686759c0d62dac9a7af2bf0f45fdf6b0d085a0fbb52b'],
  arm64: [
    `${ROOT}/aarch64/OL9U8_aarch64-kvm-cloud-b182.qcow2`,
    '4793c3ec49d9f8b27a932d3bd88ec45d08249c5195faa3b0fac876ab0d5f5856',
  ],
};

export const oraclelinux9: OsDefinition = {
  id: 'oraclelinux9',
  aliases: ['oracle-linux-9', 'oraclelinux-9'],
  title: 'Oracle Linux 9',
  family: 'rhel',
  distribution: 'ol',
  version: '9',
  packageManager: 'dnf',
  endOfLife: '2032-06-30',
  bases: onBoth((arch) => [
    pinned(...IMAGES[arch]),
    ...(arch === 'amd64' ? [ami({ owner: '131827586825', name: 'OL9.*-x86_64-HVM-*' })] : []),
  ]),
  firmware: ['uefi', 'bios'],
  defaultUser: 'cloud-user',
  selinux: true,
  x86Level: 2,
  sshUnit: 'sshd.service',
  ovf: { id: 109, type: 'oracleLinux9_64Guest', description: 'Oracle Linux 9 (64-bit)' },
};
