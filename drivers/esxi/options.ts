import { z } from 'zod';
import { secretRefSchema } from '../../src/core/index.ts';

/** A name that may hold spaces, as those of datastores and port groups do. */
const name = (what: string) => z.string().regex(/^[^/"\n]+$/, `must be the name of a ${what}`);

/** Options of the ESXi driver; `host` has no default. */
export const esxiOptionsSchema = z.strictObject({
  host: z.string().min(1).describe('Name or address of the ESXi host, whose SSH service must run'),
  port: z.number().int().min(1).max(65_535).default(22).describe('Port of its SSH service'),
  username: z.string().min(1).default('root').describe('User with the administrator role and shell access'),
  password: secretRefSchema.optional().describe('Where the user’s password is; not needed with a key'),
  keyFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Private key without passphrase; default, without agent and password: the first of ~/.ssh/id_ed25519, id_ecdsa, id_rsa',
    ),
  agent: z.string().min(1).optional().describe('Socket of the SSH agent to log in with'),
  knownHosts: z
    .string()
    .min(1)
    .optional()
    .describe('known_hosts file with the key that the host must show; default: ~/.ssh/known_hosts'),
  hostKey: z
    .string()
    .regex(/^[\w@.-]+ [A-Za-z0-9+/]{32,}={0,2}( .*)?$/, 'must look like ssh-ed25519 AAAA…')
    .optional()
    .describe('The key that the host must show, instead of a known_hosts file'),
  datastore: name('datastore').default('datastore1').describe('Datastore for disks'),
  remoteFolder: z
    .string()
    .regex(/^[\w.+-]+(\/[\w.+-]+)*$/, 'must be a relative path of letters, digits, dots, - and _')
    .refine((path) => !path.split('/').some((part) => /^\.+$/.test(part)), 'must not climb out of the datastore')
    .default('kib-native')
    .describe('Folder in the datastore for machines and bases'),
  keepBases: z
    .boolean()
    .default(true)
    .describe('Leave uploaded bases in the datastore, as bases/<sha256>.vmdk, so that the next build need not upload them'),
  network: name('port group').default('VM Network').describe('Port group of a standard switch for the machine'),
  networkModel: z.enum(['vmxnet3', 'e1000e', 'e1000']).default('vmxnet3').describe('Network card the guest sees'),
  diskInterface: z.enum(['pvscsi', 'lsilogic', 'sata', 'nvme']).default('pvscsi').describe('How the guest sees its disk'),
  seed: z
    .enum(['cdrom', 'guestinfo'])
    .default('cdrom')
    .describe('How the guest gets its seed: a NoCloud CD-ROM, or guestinfo variables for cloud-init’s VMware data source'),
  hardwareVersion: z.number().int().min(13).max(22).default(17).describe('Virtual hardware version; 17 needs ESXi 7.0'),
  guestOs: z
    .string()
    .regex(/^[a-z0-9-]+$/i, 'must be a guest type such as debian11-64')
    .default('other4xlinux-64')
    .describe('Guest type of the virtual machine'),
  reach: z
    .enum(['direct', 'jump'])
    .default('direct')
    .describe('How the guest is reached: directly, or through the SSH login to the host, which must allow TCP forwarding then'),
  addressSeconds: z.number().int().positive().default(180).describe('Time for the guest to get an address, times slowness'),
  slowness: z
    .number()
    .min(1)
    .max(100)
    .default(1)
    .describe('How many times slower than usual the guest is, for deadlines; more than 1 under nested virtualisation'),
  keepAs: z
    .string()
    .regex(/^[\w.+-]+$/, 'must be a name of letters, digits, dots, - and _')
    .optional()
    .describe('Leave the sealed machine registered under this name, to be cloned from; there must be none of that name'),
  vmx: z.record(z.string(), z.string()).default({}).describe('More .vmx settings; they win over the driver’s'),
});

export type EsxiOptions = z.output<typeof esxiOptionsSchema>;

/** Those that say where the host is and how to get there; a journal keeps them, so that gc can go there again. No secret is among them. */
export const connectionSchema = esxiOptionsSchema.pick({
  host: true,
  port: true,
  username: true,
  password: true,
  keyFile: true,
  agent: true,
  knownHosts: true,
  hostKey: true,
});

export type EsxiConnection = z.output<typeof connectionSchema>;
