import type { ArtifactSubject, OsDefinition } from '../../src/core/index.ts';

const DEBIAN: OsDefinition = {
  id: 'debian13',
  title: 'Debian 13 (trixie)',
  family: 'debian',
  distribution: 'debian',
  version: '13',
  codename: 'trixie',
  packageManager: 'apt',
  aliases: [],
  endOfLife: '2030-06-30',
  bases: {},
  firmware: ['uefi', 'bios'],
  defaultUser: 'debian',
  selinux: false,
  x86Level: 1,
  sshUnit: 'ssh.service',
  ovf: { id: 96, type: 'debian12_64Guest', description: 'Debian GNU/Linux 12 (64-bit)' },
};

/** What an exporter is told about the disk: a Debian node image, or one changed by `os` and the rest. */
export function testSubject(
  changes: Partial<Omit<ArtifactSubject, 'os'>> & { readonly os?: Partial<OsDefinition> } = {},
): ArtifactSubject {
  return {
    name: 'debian13-kube-v1.36.1',
    machine: { arch: 'amd64', firmware: 'uefi', cpus: 4, memoryBytes: 8 * 2 ** 30, diskBytes: 20 * 2 ** 30, x86Level: 1 },
    properties: { DISTRO_NAME: 'debian', DISTRO_VERSION: '13', KUBERNETES_SEMVER: 'v1.36.1', KUBERNETES_SOURCE_TYPE: 'pkg' },
    ...changes,
    os: { ...DEBIAN, ...changes.os },
  };
}
