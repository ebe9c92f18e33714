import { z } from 'zod';

/** Options of the QEMU driver; all have defaults. */
export const qemuOptionsSchema = z.strictObject({
  accelerator: z
    .enum(['auto', 'kvm', 'hvf', 'tcg'])
    .default('auto')
    .describe('auto: hardware virtualisation if a test guest runs on it, else emulation (tcg)'),
  cpuModel: z
    .string()
    .regex(/^[\w.-]+(,[\w.+=-]+)*$/, 'must be a CPU model as qemu -cpu takes it')
    .optional()
    .describe('CPU model; default: host with hardware virtualisation, max when emulated'),
  machineType: z
    .string()
    .regex(/^[\w.-]+$/, 'must be a machine type as qemu -machine takes it')
    .optional()
    .describe('Machine type; default: the newest q35 on amd64, the newest virt on arm64'),
  display: z
    .enum(['none', 'vnc', 'gtk', 'sdl', 'cocoa'])
    .default('none')
    .describe('Where to show the screen; vnc listens on 127.0.0.1'),
  vncPort: z.number().int().min(5900).max(65535).optional().describe('TCP port for VNC; default: the first free one from 5900'),
  login: z
    .enum(['auto', 'nocloud'])
    .default('auto')
    .describe(
      'How a build’s login gets into the guest. auto: as systemd credentials, without cloud-init, where the base is seen to take them; else as a NoCloud seed',
    ),
  tpm: z.boolean().default(false).describe('Give the machine a TPM 2.0, emulated by swtpm'),
  watchdog: z.boolean().default(true).describe('Give the machine an i6300esb watchdog; it resets a guest that armed it and hung'),
  sandbox: z.boolean().default(true).describe('Confine QEMU by its seccomp filter, where it was built with one'),
  networkModel: z
    .enum(['virtio', 'e1000', 'e1000e', 'vmxnet3', 'rtl8139'])
    .default('virtio')
    .describe('Network card the guest sees'),
  diskInterface: z.enum(['virtio', 'scsi', 'sata', 'nvme']).default('virtio').describe('How the guest sees its disk'),
  discard: z.boolean().default(true).describe('Let the guest give freed blocks back'),
  cache: z
    .enum(['unsafe', 'writeback', 'none'])
    .default('unsafe')
    .describe('Disk cache mode while building; unsafe is fastest and risks only this build, should the host crash'),
  binary: z
    .string()
    .min(1)
    .optional()
    .describe('QEMU program; default: qemu-system-x86_64 or qemu-system-aarch64 on the search path'),
  args: z.array(z.string()).default([]).describe('More QEMU arguments, appended as they are'),
});

export type QemuOptions = z.output<typeof qemuOptionsSchema>;
