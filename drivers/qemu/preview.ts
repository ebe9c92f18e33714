import { seedIsoArgs } from '../../cloudinit/iso.ts';
import type { MachineSpec, PreviewLine } from '../../src/core/index.ts';
import { type MachineFiles, qemuArgv } from './args.ts';
import type { UefiFirmware } from './firmware.ts';
import { MACHINE_TYPES, PROGRAMS } from './host.ts';
import type { QemuOptions } from './options.ts';
import { swtpmArgv } from './swtpm.ts';

/** What only launch knows stands in angle brackets. */
export const PLACEHOLDERS: MachineFiles = {
  disk: '<disk.qcow2>',
  seed: '<seed.iso>',
  vars: '<vars.fd>',
  pidfile: '<qemu.pid>',
  qmp: '<qmp.sock>',
  tpm: '<swtpm.sock>',
  console: '<console.log>',
  firmwareLog: '<firmware.log>',
};

const UEFI: UefiFirmware = {
  kind: 'flash',
  code: { path: '<firmware code>', format: 'raw' },
  vars: { path: '<firmware variables>', format: 'raw' },
};

/** The commands that launch runs, in order. The seccomp filter is left out where QEMU was built without one. */
export function preview(machine: MachineSpec, options: QemuOptions): readonly PreviewLine[] {
  return [
    {
      title: 'Make the disk',
      argv: [
        'qemu-img',
        'create',
        '-q',
        '-f',
        'qcow2',
        '-b',
        '<base>',
        '-F',
        '<format>',
        PLACEHOLDERS.disk,
        String(machine.diskBytes),
      ],
    },
    { title: 'Make the seed', argv: ['xorriso', ...seedIsoArgs('<seed files>', PLACEHOLDERS.seed)] },
    ...(options.tpm
      ? [
          {
            title: 'Start the TPM',
            argv: swtpmArgv('swtpm', { state: '<tpm>', socket: PLACEHOLDERS.tpm, pidfile: '<swtpm.pid>' }),
          },
        ]
      : []),
    {
      title: 'Start the machine',
      argv: qemuArgv({
        host: {
          path: options.binary ?? PROGRAMS[machine.arch],
          machineType: options.machineType ?? MACHINE_TYPES[machine.arch],
          canSandbox: true,
        },
        acceleration: previewAcceleration(options),
        name: 'kib-<build>',
        machine,
        options,
        uefi: machine.firmware === 'uefi' ? UEFI : undefined,
        files: PLACEHOLDERS,
      }),
    },
  ];
}

function previewAcceleration({ accelerator, cpuModel }: QemuOptions): { readonly accelerator: string; readonly cpu: string } {
  if (accelerator === 'auto') return { accelerator: '<kvm|hvf|tcg>', cpu: cpuModel ?? '<host|max>' };
  return { accelerator, cpu: cpuModel ?? (accelerator === 'tcg' ? 'max' : 'host') };
}
