import { type ConfigIssue, defineDriver, type MachineSpec } from '../../src/core/index.ts';
import { doctor } from './doctor.ts';
import { launch } from './launch.ts';
import { type LibvirtOptions, libvirtOptionsSchema } from './options.ts';
import { preview } from './preview.ts';
import { reap } from './reap.ts';
import { libvirtUri } from './uri.ts';

/**
 * Boots machines on libvirt, of this host or of another one over SSH. Its layers are disks without memory: what a guest wrote comes to this host,
 * and goes back there when a build starts on it.
 */
export const libvirt = defineDriver<LibvirtOptions>({
  name: 'libvirt',
  summary: 'libvirt with QEMU, on this host or on another one over SSH',
  options: libvirtOptionsSchema,
  capabilities: {
    arch: ['amd64', 'arm64'],
    firmware: ['bios', 'uefi'],
    formats: ['qcow2', 'raw', 'ova'],
    console: true,
    screenshot: true,
  },
  doctor,
  validate,
  preview,
  launch,
  layers: {},
  reap: (resource) => reap(resource),
});

function validate(machine: MachineSpec, options: LibvirtOptions): readonly ConfigIssue[] {
  const isLocal = libvirtUri(options.uri).ssh === undefined;
  return [
    ...(machine.arch === 'arm64' && machine.firmware === 'bios'
      ? [{ path: '', message: 'there is no BIOS for arm64', hint: 'firmware: uefi' }]
      : []),
    ...(options.secureBoot && machine.firmware === 'bios'
      ? [{ path: 'secureBoot', message: 'needs UEFI firmware', hint: 'firmware: uefi' }]
      : []),
    ...(isLocal && options.reach === 'jump'
      ? [{ path: 'reach', message: 'there is no host to jump over with a qemu:/// URI', hint: 'reach: direct' }]
      : []),
    ...(options.domainType === 'qemu' && ['host-passthrough', 'host-model'].includes(options.cpuModel ?? '')
      ? [{ path: 'cpuModel', message: `an emulated machine cannot have ${options.cpuModel}`, hint: 'cpuModel: maximum' }]
      : []),
  ];
}
