import type { Arch, BaseSource, OsDefinition } from '../core/index.ts';
import { ubuntuCloudImageKey } from './keys/ubuntu-cloud-image.ts';

// The current release image rather than a dated one: its digest list is signed, so a respin with security fixes is taken up as safely
// as a pinned digest would be, and the link does not go stale.
const FOLDER = 'https://cloud-images.ubuntu.com/releases/noble/release';

const bases = (arch: Arch): readonly BaseSource[] => [
  {
    kind: 'cloud-image',
    url: `${FOLDER}/ubuntu-24.04-server-cloudimg-${arch}.img`,
    format: 'qcow2',
    checksum: {
      kind: 'file',
      url: `${FOLDER}/SHA256SUMS`,
      algorithm: 'sha256',
      signature: { kind: 'detached', url: `${FOLDER}/SHA256SUMS.gpg`, key: ubuntuCloudImageKey },
    },
  },
];

export const ubuntu2404: OsDefinition = {
  id: 'ubuntu2404',
  aliases: ['ubuntu-2404'],
  title: 'Ubuntu 24.04 LTS (noble)',
  family: 'debian',
  distribution: 'ubuntu',
  version: '24.04',
  codename: 'noble',
  packageManager: 'apt',
  endOfLife: '2029-05-31',
  bases: { amd64: bases('amd64'), arm64: bases('arm64') },
  firmware: ['uefi', 'bios'],
  defaultUser: 'ubuntu',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  ovf: { id: 94, type: 'ubuntu64Guest', description: 'Ubuntu Linux (64-bit)' },
};
