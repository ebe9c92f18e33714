import { guestinfoIssues } from '../../cloudinit/index.ts';
import { type ConfigIssue, defineDriver } from '../../src/core/index.ts';
import { doctor } from './doctor.ts';
import { launch } from './launch.ts';
import { type VmwareOptions, vmwareOptionsSchema } from './options.ts';
import { preview } from './preview.ts';
import { reapMachine } from './reap.ts';

/** Boots machines on VMware Workstation (Linux, Windows) or Fusion (macOS) of this host, through vmrun. */
export const vmware = defineDriver<VmwareOptions>({
  name: 'vmware',
  summary: 'VMware Workstation or Fusion on this host',
  options: vmwareOptionsSchema,
  capabilities: {
    arch: ['amd64', 'arm64'],
    firmware: ['uefi', 'bios'],
    formats: ['ova', 'qcow2', 'raw'],
    console: true,
    screenshot: false,
  },
  doctor: (options, _machine, signal) => doctor(options, signal),
  validate: (machine, options) => [...issuesOf(options), ...guestinfoIssues(machine, options.seed, 'cdrom')],
  preview,
  launch,
  // Each freeze writes the guest's memory to a disk, so only what builds mostly start on is kept: the boot, the packages, the last step.
  layers: { atMost: 3 },
  reap: reapMachine,
});

function issuesOf({ network, vmnet, keepIn, cloudinit }: VmwareOptions): readonly ConfigIssue[] {
  const isCustom = network === 'custom';
  const vmnetIssue = isCustom
    ? 'network custom needs a virtual network'
    : `is only looked at with network custom, not ${network}`;
  return [
    ...(isCustom === (vmnet !== undefined) ? [] : [{ path: 'vmnet', message: vmnetIssue }]),
    ...(cloudinit === undefined || keepIn !== undefined
      ? []
      : [{ path: 'cloudinit', message: 'is for the machine that is kept: give keepIn too' }]),
  ];
}
