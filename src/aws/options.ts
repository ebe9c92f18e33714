import { z } from 'zod';

const regionSchema = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d+$/, 'must be a region such as eu-central-1');
const accountSchema = z.string().regex(/^\d{12}$/, 'must be an account id of 12 digits');
const kmsKeySchema = z.string().min(1);

/** Where the API is: the part of the options that a journal keeps. Credentials are never among them. */
export const placeSchema = z.strictObject({
  region: regionSchema.describe('Region to build in, such as eu-central-1'),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Where the APIs of EC2, EBS and SSM answer, {region} standing for the region; default: Amazon’s own addresses'),
});

/** AWS refuses other keys that begin with `aws:`, and more than 50 tags; ours are four. */
export const tagsSchema = z
  .record(
    z
      .string()
      .min(1)
      .max(128)
      .regex(/^(?!aws:)/i, 'must not begin with aws:'),
    z.string().max(256),
  )
  .refine((tags) => Object.keys(tags).length <= 46, 'must be at most 46 tags');

/** What becomes of a finished disk: name, copies, who may use them. */
export const amiOptionsSchema = z.strictObject({
  name: z
    .string()
    .min(3)
    .default('{name}-{timestamp}')
    .describe(
      'Name, unique in its region: {name} is the image’s, {timestamp} the time in UTC, {build} the build’s id, {KEY} a property',
    ),
  description: z.string().max(255).optional().describe('Description; the same words may stand in braces'),
  regions: z
    .union([z.literal('all'), z.array(regionSchema)])
    .default([])
    .describe('Regions that get a copy; all: every one that the account has enabled'),
  kmsKeyIds: z
    .record(regionSchema, kmsKeySchema)
    .default({})
    .describe('KMS key per region that encrypts the copy there; the home region’s is volume.kmsKeyId'),
  shareWith: z
    .strictObject({
      accounts: z.array(accountSchema).default([]).describe('Account ids'),
      organizations: z
        .array(z.string().regex(/^arn:[\w-]+:organizations::\d{12}:organization\//, 'must be the ARN of an organization'))
        .default([])
        .describe('ARNs of organizations'),
      organizationalUnits: z
        .array(z.string().regex(/^arn:[\w-]+:organizations::\d{12}:ou\//, 'must be the ARN of an organizational unit'))
        .default([])
        .describe('ARNs of organizational units'),
    })
    .prefault({})
    .describe('Who may start machines from it besides this account'),
  shareSnapshots: z.boolean().default(false).describe('Let the accounts of shareWith make volumes of its snapshots, too'),
  public: z.boolean().default(false).describe('Let everybody start machines from it'),
  tags: tagsSchema.default({}).describe('Tags of the AMIs'),
  snapshotTags: tagsSchema.default({}).describe('Tags of their snapshots'),
  bootMode: z
    .enum(['uefi', 'legacy-bios', 'uefi-preferred'])
    .optional()
    .describe('Firmware that machines of it start with; default: what the source says'),
  tpm: z.boolean().default(false).describe('Give machines of it a TPM 2.0 (NitroTPM); needs boot mode uefi'),
  imdsV2: z.boolean().default(true).describe('Let machines of it ask for instance metadata with a session token only (IMDSv2)'),
  deprecateAfterDays: z.number().int().min(1).max(3650).optional().describe('Mark it deprecated so many days later'),
  deregistrationProtection: z
    .enum(['off', 'on', 'with-cooldown'])
    .default('off')
    .describe('Forbid removing it; with-cooldown: also for a day after this was switched off'),
  minutes: z.number().int().positive().default(60).describe('Time for it, and for each copy, to become available'),
});

export type AmiOptions = z.output<typeof amiOptionsSchema>;
