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
  validate: (_machine, { network, vmnet }): readonly ConfigIssue[] =>
    (network === 'custom') === (vmnet !== undefined)
      ? []
      : [
          {
            path: 'vmnet',
            message:
              network === 'custom'
                ? 'network custom needs a virtual network'
                : `is only looked at with network custom, not ${network}`,
          },
        ],
  preview,
  launch,
  reap: reapMachine,
});
