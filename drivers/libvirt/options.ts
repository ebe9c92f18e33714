import { z } from 'zod';
import { parseUri } from './uri.ts';

const name = (what: string) => z.string().regex(/^[\w][\w.+-]*$/, `must be the name of a ${what}`);

/** Options of the libvirt driver; all have defaults. */
export const libvirtOptionsSchema = z.strictObject({
  uri: z
    .string()
    .superRefine((text, context) => {
      const parsed = parseUri(text);
      if (typeof parsed === 'string') context.addIssue({ code: 'custom', message: parsed });
    })
    .default('qemu:///system')
    .describe('qemu:///system for this host, qemu+ssh://user@host[:port]/system for another one, where virsh runs over SSH'),
  keyFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Private key for qemu+ssh, without passphrase; default, without agent: the first of ~/.ssh/id_ed25519, id_ecdsa, id_rsa',
    ),
  agent: z.string().min(1).optional().describe('Socket of the SSH agent to log in with, for qemu+ssh'),
  knownHosts: z
    .string()
    .min(1)
    .optional()
    .describe('known_hosts file with the key that the host must show, for qemu+ssh; default: ~/.ssh/known_hosts'),
  hostKey: z
    .string()
    .regex(/^[\w@.-]+ [A-Za-z0-9+/]{32,}={0,2}( .*)?$/, 'must look like ssh-ed25519 AAAA…')
    .optional()
    .describe('The key that the host must show, instead of a known_hosts file'),
  pool: name('storage pool').default('default').describe('Storage pool for disks: of type dir, fs or netfs'),
  poolPath: z
    .string()
    .startsWith('/', 'must be an absolute path')
    .optional()
    .describe('Folder on the host for a pool of that name, made when there is none'),
  keepBases: z
    .boolean()
    .default(true)
    .describe('Leave uploaded bases in the pool, as kib-base-<sha256>.qcow2, so that the next build need not upload them'),
  network: name('network').default('default').describe('libvirt network of the machine'),
  bridge: name('bridge')
    .optional()
    .describe('Bridge of the host, instead of a libvirt network; the guest agent or ARP tell the address then'),
  reach: z
    .enum(['auto', 'direct', 'jump'])
    .default('auto')
    .describe('How the guest is reached: directly, or through the SSH login to the host; auto: jump with qemu+ssh, else direct'),
  addressSeconds: z
    .number()
    .int()
    .positive()
    .default(120)
    .describe('Time for the guest to get an address; emulated guests get 8 times as much'),
  domainType: z
    .enum(['auto', 'kvm', 'qemu'])
    .default('auto')
    .describe('auto: kvm if libvirt offers it and a test guest runs on it, else emulation (qemu)'),
  cpuModel: z
    .string()
    .regex(/^[\w.-]+$/, 'must be host-passthrough, host-model, maximum or the name of a CPU model')
    .optional()
    .describe('CPU of the machine; default: host-passthrough with kvm, maximum when emulated'),
  machineType: z
    .string()
    .regex(/^[\w.-]+$/, 'must be a machine type as virsh capabilities lists it')
    .optional()
    .describe('Machine type; default: q35 on amd64, virt on arm64'),
  diskBus: z.enum(['virtio', 'scsi', 'sata']).default('virtio').describe('How the guest sees its disk'),
  seedBus: z
    .enum(['virtio', 'sata', 'scsi'])
    .default('virtio')
    .describe(
      'How the guest sees its seed: a read-only disk with virtio, else a CD-ROM, which cloud kernels may lack the driver for',
    ),
  networkModel: z.enum(['virtio', 'e1000', 'e1000e', 'rtl8139']).default('virtio').describe('Network card the guest sees'),
  cache: z
    .enum(['unsafe', 'writeback', 'none'])
    .default('unsafe')
    .describe('Disk cache mode while building; unsafe is fastest and risks only this build, should the host crash'),
  display: z
    .enum(['none', 'vnc', 'spice'])
    .default('none')
    .describe('How to show the screen; it listens on 127.0.0.1 of the host'),
  secureBoot: z.boolean().default(false).describe('Let UEFI firmware with Secure Boot and enrolled keys start the machine'),
  tpm: z.boolean().default(false).describe('Give the machine a TPM 2.0, emulated by swtpm on the host'),
  watchdog: z.boolean().default(true).describe('Give the machine an i6300esb watchdog; it resets a guest that armed it and hung'),
});

export type LibvirtOptions = z.output<typeof libvirtOptionsSchema>;

/** Those that say where libvirt is and how to get there; a journal keeps them, so that gc can go there again. */
export const connectionOptionsSchema = libvirtOptionsSchema.pick({
  uri: true,
  keyFile: true,
  agent: true,
  knownHosts: true,
  hostKey: true,
});

export type ConnectionOptions = z.output<typeof connectionOptionsSchema>;
