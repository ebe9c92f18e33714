import { z } from 'zod';
import { hostFile, secretRefSchema } from '../../src/core/index.ts';

/** What every machine of the image could read must hold no login. */
const url = z
  .url({ protocol: /^https?$/ })
  .refine((text) => new URL(text).username === '', 'holds a login, which every machine of the image could read');

const mirror = z.strictObject({
  main: url.optional().describe('Debian and Ubuntu: archive, `http://mirror.example.org/debian`'),
  security: url.optional().describe('Debian and Ubuntu: archive of security updates; on Ubuntu by default the same'),
  components: z.array(z.string()).min(1).optional().describe('Debian and Ubuntu: default: main, on Ubuntu all four'),
  repositories: z
    .record(z.string(), url)
    .optional()
    .describe(
      'rpm: base URLs by the ids of repositories that the base has, such as baseos; `$releasever` and `$basearch` may be in them',
    ),
  keep: z.boolean().default(true).describe('Whether nodes go on with it'),
});

const proxyUrl = z.url({ protocol: /^https?$/ }).refine((text) => new URL(text).username === '', 'must not hold a login');

const proxy = z.strictObject({
  http: proxyUrl.optional().describe('For http: addresses'),
  https: proxyUrl.optional().describe('For https: addresses'),
  noProxy: z.array(z.string()).default([]).describe('Hosts and domains that are reached directly'),
  keep: z.boolean().default(false).describe('Whether the package manager of nodes goes on with it'),
});

const described = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*$/, 'must be lower-case letters, digits, dots, hyphens and underscores')
    .describe('Name of its file'),
  title: z.string().optional().describe('For people; default: the name'),
  key: z
    .union([
      z.string().regex(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/, 'must be an armoured OpenPGP public key'),
      z.strictObject({ file: hostFile({ text: true }).describe('A file of this host that holds it') }),
    ])
    .describe('OpenPGP key that signs it: its text, or `{ file }` with a path of this host'),
  apt: z
    .strictObject({
      uri: url.describe('Address'),
      suite: z.string().describe('Suite, or a path that ends in a slash'),
      components: z.array(z.string()).default([]).describe('Components; none for a path'),
    })
    .optional()
    .describe('Where apt finds it'),
  rpm: z
    .strictObject({
      baseurl: url.describe('The folder above repodata'),
      exclude: z.array(z.string()).default([]).describe('Packages that a plain upgrade of a node must not touch'),
    })
    .optional()
    .describe('Where dnf, yum, tdnf or zypper finds it'),
});

const asFile = z.strictObject({
  file: hostFile({ text: true }).describe('A .list, .sources or .repo file of this host, which goes into the guest as it is'),
});

const pinned = z.strictObject({
  name: z.string().describe('Package'),
  version: z.string().optional().describe('As the package manager spells it, `1.8.1-4`; default: the newest'),
  hold: z.boolean().default(false).describe('Whether upgrades of a node leave it at its version'),
});

const subscription = z.strictObject({
  org: z.string().optional().describe('Organisation; goes with an activation key'),
  activationKey: secretRefSchema.optional().describe('Where the activation key is kept'),
  user: secretRefSchema.optional().describe('Where the user name is kept'),
  password: secretRefSchema.optional().describe('Where the password is kept'),
  server: z.string().optional().describe('Satellite server; default: Red Hat’s own'),
  repositories: z.array(z.string()).default([]).describe('Repositories to enable for the build'),
});

export const setupParams = z.strictObject({
  mirror: mirror.optional().describe('Where the distribution’s packages come from'),
  proxy: proxy.optional().describe('Proxies that packages are downloaded through while the image is built'),
  repositories: z
    .array(z.union([described, asFile]))
    .default([])
    .describe('Repositories to add'),
  removeRepositories: z.boolean().default(false).describe('Whether nodes do without the added repositories'),
  disable: z.boolean().default(false).describe('Whether the repositories of the base are left alone'),
  keepDisabled: z.boolean().default(false).describe('Whether nodes leave them alone too'),
  packages: z
    .array(z.union([z.string(), pinned]))
    .default([])
    .describe('Packages to install: names, or `{ name, version, hold }`'),
  upgrade: z
    .enum(['none', 'all'])
    .default('none')
    .describe('all: everything the base has is brought up to date, and the machine rebooted when that changed the kernel'),
  epel: z.boolean().default(false).describe('Whether to add Extra Packages for Enterprise Linux'),
  rhel: subscription.optional().describe('Subscription of Red Hat Enterprise Linux for the time of the build'),
});

export type SetupParams = z.output<typeof setupParams>;
export type Subscription = z.output<typeof subscription>;
