import type { Arch, ChecksumList, OsDefinition } from '../core/index.ts';
import { ami, latest, onBoth, pinned } from './sources.ts';

// Nobody signs the checksum file, and `latest` is a folder whose file names carry the build
// (https://docs.aws.amazon.com/linux/al2023/ug/outside-ec2-download.html).
const ROOT = 'https://cdn.amazonlinux.com/al2023/os-images';
const BUILD = '2023.11.20260406.2';
const SUFFIX = { amd64: 'x86_64', arm64: 'arm64' };
const FOLDER = { amd64: 'kvm', arm64: 'kvm-arm64' };
const DIGESTS = {
  amd64: '72e10d974e832d9b56b84e71fe6f2e22589c9c539cc38e6d00cd84177839e2e8',
  arm64: 'c012f9ecb88f377c49e4338c2c6f5702ca885a37e96118119ce67266d0a7524d',
};

const list = (build: string, arch: Arch): ChecksumList => ({
  url: `${ROOT}/${build}/${FOLDER[arch]}/SHA256SUMS`,
  algorithm: 'sha256',
});
const image = (build: string, arch: Arch, version: string) =>
  `${ROOT}/${build}/${FOLDER[arch]}/al2023-kvm-${version}-kernel-6.1-${SUFFIX[arch]}.xfs.gpt.qcow2`;

export const amazonlinux2023: OsDefinition = {
  id: 'amazonlinux2023',
  aliases: ['amazon-2023', 'amazonlinux-2023', 'al2023'],
  title: 'Amazon Linux 2023',
  family: 'rhel',
  distribution: 'amzn',
  version: '2023',
  packageManager: 'dnf',
  endOfLife: '2029-06-30',
  bases: onBoth((arch) => [
    pinned(image(BUILD, arch, BUILD), DIGESTS[arch], list(BUILD, arch)),
    latest(image('latest', arch, '2023.*'), list('latest', arch)),
    ami({ owner: 'amazon', name: `al2023-ami-minimal-2023.*-kernel-6.1-${SUFFIX[arch]}` }),
  ]),
  firmware: ['uefi', 'bios'],
  defaultUser: 'ec2-user',
  selinux: true,
  x86Level: 2,
  sshUnit: 'sshd.service',
  ovf: { id: 101, type: 'amazonlinux3_64Guest', description: 'Amazon Linux 2023 (64-bit)' },
};
