import { seedIsoArgs } from '../../cloudinit/iso.ts';
import type { MachineSpec, PreviewLine } from '../../src/core/index.ts';
import { type DomainCpu, domainXml } from './domain-xml.ts';
import type { LibvirtOptions } from './options.ts';
import { libvirtUri } from './uri.ts';
import { virshArgv } from './virsh.ts';
import { volumeXml } from './volume-xml.ts';

/** The commands that launch runs, in order; what only launch knows stands in braces, and files stand as their text. */
export function preview(machine: MachineSpec, options: LibvirtOptions): readonly PreviewLine[] {
  const { pool } = options;
  const virsh = (title: string, ...args: readonly string[]): PreviewLine => ({
    title,
    argv: virshArgv(libvirtUri(options.uri).local, args),
  });
  const disk = volumeXml({
    name: 'kib-{build}-{id}.qcow2',
    bytes: machine.diskBytes,
    format: 'qcow2',
    backingPath: '{pool}/kib-base-{sha256}.qcow2',
  });
  const domain = domainXml({
    name: 'kib-{build}-{id}',
    title: '{image}',
    machine,
    options,
    cpu: previewCpu(options),
    volumes: {
      disk: 'kib-{build}-{id}.qcow2',
      seed: 'kib-{build}-{id}-seed.iso',
      consolePath: '{pool}/kib-{build}-{id}-serial.log',
    },
  });
  return [
    virsh('Upload the base, unless the pool has it', 'vol-upload', '--pool', pool, 'kib-base-{sha256}.qcow2', '{base.qcow2}'),
    virsh('Make the disk', 'vol-create', pool, disk),
    { title: 'Make the seed', argv: ['xorriso', ...seedIsoArgs('{seed files}', '{seed.iso}')] },
    virsh('Upload the seed', 'vol-upload', '--pool', pool, 'kib-{build}-{id}-seed.iso', '{seed.iso}'),
    virsh(defining(options), 'define', domain),
    virsh('Start it', 'start', 'kib-{build}-{id}'),
  ];
}

function defining({ domainType }: LibvirtOptions): string {
  return domainType === 'auto' ? 'Define the domain; type qemu and CPU maximum where kvm runs no guests' : 'Define the domain';
}

function previewCpu({ domainType, cpuModel }: LibvirtOptions): DomainCpu {
  if (domainType === 'qemu') return { type: 'qemu', model: cpuModel ?? 'maximum' };
  return { type: 'kvm', model: cpuModel ?? 'host-passthrough' };
}
