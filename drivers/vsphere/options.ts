import { z } from 'zod';
import { Secret, type SecretRef, secretRefSchema } from '../../src/core/index.ts';

const name = z.string().min(1);

/** A password as image-builder's vsphere.json has it: kept where nothing prints it. */
const plainPassword = z
  .string()
  .min(1)
  .transform((value) => new Secret('password of vCenter', value));

/** Where vCenter is and who logs in. */
const placeSchema = z.strictObject({
  server: z
    .string()
    .regex(/^[\w.-]+(:\d{1,5})?$|^\[[0-9a-fA-F:]+\](:\d{1,5})?$/, 'must be a host name or address, with a port if it is not 443')
    .describe('vCenter Server: host name or address, with :port if it is not 443'),
  username: name.describe('Account, such as kib@vsphere.local'),
  password: z
    .union([secretRefSchema, plainPassword])
    .default({ env: 'VSPHERE_PASSWORD' })
    .describe('Where its password is kept; the password itself is taken too, but an image file is a bad place for it'),
  insecure: z.boolean().default(false).describe('Do not check vCenter’s certificate'),
  caFile: name
    .optional()
    .describe('PEM file with the certificate authority of vCenter; vCenter offers it at /certs/download.zip'),
});

const isAddress = z.union([z.ipv4(), z.ipv6()]);

/** Options of the vSphere driver. Names are those of the inventory; a folder or pool may be a path, `team/images`. */
export const vsphereOptionsSchema = z.strictObject({
  ...placeSchema.shape,
  datacenter: name.optional().describe('Datacenter that all other names are looked up in; default: any'),
  cluster: name.optional().describe('Cluster to build on; default: the only one'),
  host: name.optional().describe('Host to build on, in or without a cluster'),
  resourcePool: name.optional().describe('Resource pool; default: that of the cluster or host'),
  folder: name.optional().describe('Folder of the virtual machines, a name or a path; default: the datacenter’s own'),
  datastore: name.optional().describe('Datastore; default: the only one'),
  network: name.optional().describe('Network of the machine, a port group; default: the only one, for a template its own'),
  library: name
    .default('kib-native')
    .describe('Local content library for what is uploaded; kib-native is made on the datastore when it is not there'),
  keepBases: z.boolean().default(true).describe('Keep an uploaded base in the library for the next build, as kib-base-<digest>'),
  seed: z
    .enum(['auto', 'iso', 'ovf', 'customization'])
    .default('auto')
    .describe(
      'How the guest gets its seed: a CD-ROM from the library, OVF properties (of OVF items that have user-data), or cloud-init customization (vSphere 7.0 U3, VMware Tools in the base); auto: the CD-ROM, where vCenter refuses that a customization if it is new enough, else OVF properties if there are any',
    ),
  provisioning: z.enum(['thin', 'thick', 'eagerZeroedThick']).default('thin').describe('How disks take space on the datastore'),
  address: z
    .strictObject({
      cidr: z.union([z.cidrv4(), z.cidrv6()]).describe('Address with prefix length, 192.0.2.10/24'),
      gateway: isAddress.optional().describe('Default gateway'),
      nameservers: z.array(isAddress).default([]).describe('Name servers'),
    })
    .optional()
    .describe(
      'Fixed address of the guest, for networks without DHCP and bases without VMware Tools; default: DHCP, told by the tools',
    ),
  template: z
    .strictObject({
      kind: z
        .enum(['library', 'inventory', 'machine'])
        .default('library')
        .describe(
          'What format template makes: a template in the library, one in the inventory (vSphere 8.0 U1), or a stopped machine',
        ),
      name: name.optional().describe('Its name; default: the image’s'),
      library: name.optional().describe('Library it goes to; default: library'),
      description: name.optional().describe('Its description'),
    })
    .prefault({})
    .describe('The template that is made'),
  extraConfig: z.record(z.string().min(1), z.string()).default({}).describe('Advanced settings of the machine (vSphere 8.0 U1)'),
  slowness: z.number().min(1).max(100).default(1).describe('How many times slower than usual the guest is, for deadlines'),
  taskMinutes: z
    .number()
    .positive()
    .default(60)
    .describe('Time for one thing that vCenter does: a clone, a deployment, an upload’s check'),
  addressMinutes: z.number().positive().default(10).describe('Time for the guest to have an address, times slowness'),
  pollSeconds: z.number().min(0.01).max(60).default(2).describe('How often vCenter is asked how far things are'),
});

export interface Place extends Omit<z.output<typeof placeSchema>, 'password'> {
  readonly password: SecretRef | Secret;
}
export type VsphereOptions = Omit<z.output<typeof vsphereOptionsSchema>, 'password'> & Pick<Place, 'password'>;

export function pollMs({ pollSeconds }: Pick<VsphereOptions, 'pollSeconds'>): number {
  return pollSeconds * 1000;
}

export function taskMs({ taskMinutes }: Pick<VsphereOptions, 'taskMinutes'>): number {
  return taskMinutes * 60_000;
}
