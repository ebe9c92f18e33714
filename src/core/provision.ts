import { z } from 'zod';
import { formatSchema } from './format.ts';
import { environmentSchema, secretsSchema } from './secret.ts';

/** Where a step of the user's may stand. Every place with steps is a layer of its own, but for the last one. */
export const PLACES = ['before-packages', 'after-packages', 'before-recipes', 'after-recipes', 'after-seal'] as const;

const oneOrMore = <T extends z.ZodType>(schema: T) => z.union([schema, z.array(schema).min(1)]);

/** What the image must be for a step to be part of it; all that are given must hold. Decided when the build is planned. */
export const conditionSchema = z.strictObject({
  os: oneOrMore(z.string()).optional().describe('Operating system, by its catalog name or an alias; any of them'),
  family: oneOrMore(z.enum(['debian', 'rhel', 'photon']))
    .optional()
    .describe('Family of the operating system; any of them'),
  arch: oneOrMore(z.enum(['amd64', 'arm64']))
    .optional()
    .describe('CPU architecture; any of them'),
  driver: oneOrMore(z.string()).optional().describe('Driver that builds the image; any of them'),
  format: oneOrMore(formatSchema).optional().describe('What is exported; any of them'),
  kubernetes: z
    .union([z.boolean(), oneOrMore(z.string().regex(/^v1\.\d+(\.\d+)?$/, 'must look like v1.36 or v1.36.4'))])
    .optional()
    .describe('Whether the image has Kubernetes, or its release: v1.36 is any patch release of it'),
});

const common = {
  name: z.string().optional().describe('Shown while it runs'),
  at: z.enum(PLACES).optional().describe('Where the step stands; default: after-recipes'),
  after: z.string().optional().describe('Name of the recipe that the step follows, instead of at'),
  when: conditionSchema.optional().describe('What the image must be for the step to be part of it'),
  onlyIf: z.string().optional().describe('POSIX sh, run in the guest; the step is left out unless it succeeds'),
  unless: z.string().optional().describe('POSIX sh, run in the guest; the step is left out when it succeeds'),
};

const seconds = z.number().int().positive();

const running = {
  ...common,
  timeoutSeconds: seconds.default(900).describe('Deadline of each attempt'),
  attempts: z.number().int().min(1).max(10).default(1).describe('How often to try in all'),
  pauseSeconds: z.number().int().min(0).max(3600).default(5).describe('Pause between two attempts'),
  expectDisconnect: z
    .boolean()
    .default(false)
    .describe('Whether the connection may break, which then is success once the guest answers again'),
  exitCodes: z.array(z.number().int().min(1).max(255)).default([]).describe('Exit codes that are success besides 0'),
  environment: environmentSchema.default({}).describe('Variables for the script'),
  secrets: secretsSchema.default({}).describe('Variables whose values stay out of image, cache, plan and logs'),
  user: z
    .string()
    .regex(/^[a-z_][\w.-]*$/, 'must be the name of a user')
    .default('root')
    .describe('User of the guest that runs it'),
  workdir: z.string().startsWith('/').default('/').describe('Folder of the guest that it runs in'),
};

const owner = z
  .string()
  .regex(/^[\w.-]+:[\w.-]+$/, 'must be user:group')
  .default('root:root')
  .describe('user:group');
const mode = z
  .string()
  .regex(/^0?[0-7]{3,4}$/, 'must be an octal mode such as 0644')
  .default('0644')
  .describe('Octal mode');
const to = z.string().startsWith('/').describe('Absolute path in the guest');

/** The user's own steps. */
export const provisionSchema = z.union([
  z.strictObject({ shell: z.string().describe('POSIX sh, run with set -eu'), ...running }),
  z.strictObject({ script: z.string().describe('Path of a script on this host, relative to the image file'), ...running }),
  z.strictObject({
    file: z.string().describe('Path of a file on this host, relative to the image file'),
    to,
    mode,
    owner,
    ...common,
  }),
  z.strictObject({
    dir: z.string().describe('Path of a folder on this host, relative to the image file; up to 200 files'),
    to,
    owner,
    ...common,
  }),
  z.strictObject({
    download: z.url({ protocol: /^https?$/ }).describe('What to download, on this host'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
      .describe('Its digest'),
    to,
    mode,
    owner,
    ...common,
  }),
  z.strictObject({
    reboot: z
      .union([
        z.literal(true),
        z.strictObject({
          timeoutSeconds: seconds.default(600).describe('Deadline for the guest to be back'),
          unless: z.string().optional().describe('POSIX sh, run in the guest; no reboot when it succeeds'),
        }),
      ])
      .describe('Reboot and wait until the guest is back'),
    ...common,
  }),
  z.strictObject({
    breakpoint: z.string().min(1).describe('Pause the build and show this'),
    timeoutSeconds: seconds.default(4 * 3600).describe('How long to wait for somebody to go on'),
    ...common,
  }),
]);

export type ProvisionStep = z.infer<typeof provisionSchema>;
export type Condition = z.infer<typeof conditionSchema>;
export type Place = (typeof PLACES)[number];
