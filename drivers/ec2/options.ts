import { z } from 'zod';
import { amiOptionsSchema, placeSchema, tagsSchema } from '../../src/aws/options.ts';

const cidr = z.union([z.cidrv4(), z.cidrv6()], 'must be a range of addresses such as 192.0.2.0/24');

/** Login to a host that reaches the instance, over SSH. */
const bastionSchema = z.strictObject({
  host: z.string().min(1).describe('Name or address of the host'),
  port: z.number().int().min(1).max(65_535).default(22).describe('Its SSH port'),
  user: z.string().min(1).describe('Account there'),
  keyFile: z.string().min(1).optional().describe('Private key without passphrase'),
  agent: z.string().min(1).optional().describe('Socket of the SSH agent to log in with, instead of keyFile'),
  knownHosts: z.string().min(1).optional().describe('known_hosts file with the host’s key; default: ~/.ssh/known_hosts'),
  hostKey: z
    .string()
    .regex(/^[\w@.-]+ [A-Za-z0-9+/]{32,}={0,2}( .*)?$/, 'must look like ssh-ed25519 AAAA…')
    .optional()
    .describe('The key that the host must show, instead of a known_hosts file'),
});

/** Options of the EC2 driver; only the region has no default. Credentials are no options: the SDK finds them as the AWS CLI does. */
export const ec2OptionsSchema = z.strictObject({
  ...placeSchema.shape,
  instanceType: z
    .string()
    .regex(/^[a-z0-9-]+\.[a-z0-9-]+$/, 'must be an instance type such as m7i.large')
    .optional()
    .describe('Instance type to build on; default: t3.small, for arm64 t4g.small'),
  spot: z
    .union([
      z.boolean(),
      z.strictObject({
        maxPrice: z
          .string()
          .regex(/^\d+(\.\d+)?$/, 'must be dollars per hour such as 0.05')
          .optional()
          .describe('Most to pay for an hour, in US dollars; default: the on-demand price'),
        fallback: z.boolean().default(true).describe('Take an on-demand instance where there is no spot capacity'),
      }),
    ])
    .default(false)
    .describe('Build on a spot instance; without spot capacity an on-demand one is taken'),
  vpc: z
    .string()
    .regex(/^vpc-[0-9a-f]+$/, 'must be the id of a VPC')
    .optional()
    .describe('VPC; default: that of the subnets, else the default VPC'),
  subnets: z
    .array(z.string().regex(/^subnet-[0-9a-f]+$/, 'must be the id of a subnet'))
    .default([])
    .describe('Subnets, tried in this order when one has no capacity; default: those that subnetFilter finds'),
  subnetFilter: z
    .record(z.string().min(1), z.string().min(1))
    .default({})
    .describe('Filters of DescribeSubnets such as tag:Name; the subnets with the most free addresses are tried first'),
  securityGroups: z
    .array(z.string().regex(/^sg-[0-9a-f]+$/, 'must be the id of a security group'))
    .default([])
    .describe('Security groups of the instance; default: one is made for the build, and removed'),
  allowFrom: z
    .array(z.union([z.literal('own'), cidr]))
    .min(1)
    .optional()
    .describe(
      'Addresses that the security group made for the build lets in to port 22; own: the one this host is seen with. Default: own, or the VPC’s with address private or a bastion',
    ),
  ownAddressUrl: z
    .url({ protocol: /^https?$/ })
    .default('https://checkip.amazonaws.com')
    .describe('What tells the address this host is seen with, as text'),
  address: z
    .enum(['public', 'private'])
    .default('public')
    .describe('Which address of the instance SSH goes to; a bastion uses the private one'),
  publicIp: z
    .boolean()
    .optional()
    .describe(
      'Whether the instance gets a public address, which it needs for the internet in a public subnet; default: with address public and no bastion',
    ),
  bastion: bastionSchema.optional().describe('Host to reach the instance through'),
  keyPair: z
    .string()
    .min(1)
    .optional()
    .describe('Key pair in EC2 that may log in, too, as the base’s own user; the build itself needs none'),
  instanceProfile: z
    .string()
    .min(1)
    .optional()
    .describe('Instance profile, by name or ARN, for steps that call AWS from the guest'),
  shutdownBehavior: z
    .enum(['stop', 'terminate'])
    .default('stop')
    .describe('What becomes of the instance when the guest powers itself off while it is being built'),
  volume: z
    .strictObject({
      type: z.enum(['gp3', 'gp2', 'io1', 'io2', 'standard']).default('gp3').describe('Volume type'),
      iops: z.number().int().positive().optional().describe('Provisioned IOPS, for gp3, io1 and io2'),
      throughput: z.number().int().min(125).max(2000).optional().describe('Throughput in MiB/s, for gp3'),
      encrypted: z.boolean().optional().describe('Encrypt the volume, and so the AMI; default: what the account says'),
      kmsKeyId: z.string().min(1).optional().describe('KMS key to encrypt it with; default: the account’s for EBS'),
    })
    .prefault({})
    .describe('Root volume while building; its size is the image’s disk'),
  tags: tagsSchema.default({}).describe('Tags of everything that a build makes'),
  launchMinutes: z.number().int().positive().default(10).describe('Time for an instance to run and have an address'),
  stopMinutes: z
    .number()
    .positive()
    .default(10)
    .describe('Time for an instance to stop; EC2 itself pulls the plug of a guest that does not power off'),
  slowness: z
    .number()
    .min(1)
    .max(100)
    .default(1)
    .describe(
      'How many times longer than usual the guest may take, for deadlines; more than 1 for small burstable instance types',
    ),
  pollSeconds: z.number().min(0.01).max(60).default(5).describe('How often EC2 is asked how far things are'),
  ami: amiOptionsSchema.prefault({}).describe('The AMI that is made'),
});

export type Ec2Options = z.output<typeof ec2OptionsSchema>;
export type Bastion = z.output<typeof bastionSchema>;

/** Spot settings, or undefined for an on-demand instance. */
export function spotOf({ spot }: Pick<Ec2Options, 'spot'>) {
  if (spot === false) return undefined;
  return spot === true ? { fallback: true } : spot;
}

export function pollMs({ pollSeconds }: Pick<Ec2Options, 'pollSeconds'>): number {
  return pollSeconds * 1000;
}
