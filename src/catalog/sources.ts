import type { AmiSelector, Arch, BaseSource, ChecksumList, OsDefinition } from '../core/index.ts';

/** Architectures as RPM distributions spell them. */
export const MACHINE: Readonly<Record<Arch, 'x86_64' | 'aarch64'>> = { amd64: 'x86_64', arm64: 'aarch64' };

/** A value per architecture. */
export type PerArch<T> = Readonly<Record<Arch, T>>;

/** The same bases for both architectures, up to their names. */
export function onBoth(bases: (arch: Arch) => readonly BaseSource[]): OsDefinition['bases'] {
  return { amd64: bases('amd64'), arm64: bases('arm64') };
}

/** A dated qcow2 image whose digest is known here; `list` is where its distributor gives the same one. */
export function pinned(url: string, hex: string, list?: ChecksumList, archives?: readonly string[]): BaseSource {
  return {
    kind: 'cloud-image',
    url,
    format: 'qcow2',
    checksum: {
      kind: 'pinned',
      digest: { algorithm: hex.length === 128 ? 'sha512' : 'sha256', hex },
      ...(list === undefined ? {} : { list }),
    },
    ...(archives === undefined ? {} : { archives }),
  };
}

/** The qcow2 image that its distributor's checksum file names at the time of the build. */
export function latest(url: string, list: ChecksumList): BaseSource {
  return { kind: 'cloud-image', url, format: 'qcow2', checksum: { kind: 'file', ...list } };
}

export function ami(selector: AmiSelector): BaseSource {
  return { kind: 'ami', ami: selector };
}
