import { z } from 'zod';

/** Options of the VMware driver; all have defaults. */
export const vmwareOptionsSchema = z.strictObject({
  vmrun: z
    .string()
    .min(1)
    .optional()
    .describe('vmrun program; default: where Workstation or Fusion installs it, or the search path'),
  product: z
    .enum(['auto', 'ws', 'fusion', 'player'])
    .default('auto')
    .describe('What vmrun controls (vmrun -T); auto: fusion on macOS, ws elsewhere'),
  network: z
    .enum(['nat', 'bridged', 'hostonly', 'custom'])
    .default('nat')
    .describe('What the network card is connected to; custom needs vmnet'),
  vmnet: z
    .string()
    .regex(/^vmnet\d{1,3}$/, 'must be a virtual network such as vmnet8')
    .optional()
    .describe('For network custom: the virtual network'),
  networkModel: z.enum(['vmxnet3', 'e1000e', 'e1000']).default('vmxnet3').describe('Network card the guest sees'),
  diskInterface: z.enum(['pvscsi', 'lsilogic', 'sata', 'nvme']).default('pvscsi').describe('How the guest sees its disk'),
  seed: z
    .enum(['cdrom', 'guestinfo'])
    .default('cdrom')
    .describe('How the guest gets its seed: a NoCloud CD-ROM, or guestinfo variables for cloud-init’s VMware data source'),
  hardwareVersion: z.number().int().min(13).max(22).default(19).describe('Virtual hardware version'),
  guestOs: z
    .string()
    .regex(/^[a-z0-9-]+$/i, 'must be a guest type such as debian12-64')
    .default('other5xlinux-64')
    .describe('Guest type of the virtual machine'),
  gui: z.boolean().default(false).describe('Show the machine in a window'),
  leases: z
    .array(z.string().min(1))
    .optional()
    .describe('DHCP lease files to find the guest’s address in; default: those of the virtual network on this host'),
  slowness: z
    .number()
    .min(1)
    .max(100)
    .default(1)
    .describe(
      'How many times slower than this host’s processor the guest is, for deadlines; more than 1 under nested virtualisation',
    ),
  keepIn: z
    .string()
    .min(1)
    .optional()
    .describe('Folder that gets the sealed virtual machine, ready to be started by hand; it must not exist yet'),
  cloudinit: z
    .string()
    .min(1)
    .optional()
    .describe(
      'For keepIn: folder with user-data, meta-data and perhaps network-config, which the kept machine starts with, the way `seed` says; no image has it',
    ),
  vmx: z.record(z.string(), z.string()).default({}).describe('More .vmx settings; they win over the driver’s'),
});

export type VmwareOptions = z.output<typeof vmwareOptionsSchema>;
