import { z } from 'zod';
import {
  type Action,
  type Check,
  type OsDefinition,
  type PackageRepository,
  type PackageRequest,
  type RecipeContext,
  raw,
  sh,
} from '../../src/core/index.ts';

const UNITS = ['google-guest-agent.service', 'google-startup-scripts.service', 'google-shutdown-scripts.service'];
/** Started by a timer, and failed where there is no metadata server. */
const CACHE_UNIT = 'google-oslogin-cache.service';

export const gcpSchema = z.strictObject({
  repository: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('On Enterprise Linux, required: what stands before /yum/repos/google-compute-engine-el9-x86_64-stable'),
  repositoryKey: z
    .string()
    .regex(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/, 'must be an armoured OpenPGP public key')
    .optional()
    .describe('On Enterprise Linux, required: the OpenPGP key, as text, that signs that repository'),
});

type GcpParams = z.output<typeof gcpSchema>;

/** Debian and Ubuntu ship the guest environment themselves; Debian's is the agent and the login by OS Login. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  debian: ['google-guest-agent', 'google-compute-engine-oslogin'],
  ubuntu: ['google-guest-agent', 'google-compute-engine', 'google-compute-engine-oslogin', 'google-osconfig-agent'],
};

/** Of Google's repository (cloud.google.com/compute/docs/images/install-guest-environment). */
const GOOGLE = ['google-compute-engine', 'google-osconfig-agent'];

function comesFromGoogle({ family, distribution }: OsDefinition): boolean {
  return family === 'rhel' && distribution !== 'amzn';
}

export function gcpIssues({ os }: RecipeContext, { repository, repositoryKey }: GcpParams) {
  if (PACKAGES[os.distribution] !== undefined) return [];
  if (!comesFromGoogle(os)) {
    const message = `there is no guest environment of Google for ${os.title}`;
    return [{ path: 'recipes.providers.targets', message, hint: 'use targets without gcp' }];
  }
  return Object.entries({ repository, repositoryKey }).flatMap(([name, value]) =>
    value === undefined
      ? [
          {
            path: `recipes.providers.gcp.${name}`,
            message: 'is needed for the guest environment on Enterprise Linux',
            hint: 'see "Install the guest environment" in Google’s documentation of Compute Engine',
          },
        ]
      : [],
  );
}

export function gcpRepositories(
  { os, arch }: RecipeContext,
  { repository, repositoryKey }: GcpParams,
): readonly PackageRepository[] {
  if (!comesFromGoogle(os) || repository === undefined || repositoryKey === undefined) return [];
  const name = `google-compute-engine-el${Number.parseInt(os.version, 10)}-${arch === 'amd64' ? 'x86_64' : 'aarch64'}-stable`;
  return [
    {
      name: 'google-compute-engine',
      title: 'Google Compute Engine',
      key: repositoryKey,
      rpm: { baseurl: `${repository.replace(/\/$/, '')}/yum/repos/${name}` },
    },
  ];
}

export function gcpPackages({ os }: RecipeContext): readonly PackageRequest[] {
  return (PACKAGES[os.distribution] ?? GOOGLE).map((name) => ({ name }));
}

const GOOGLE_MACHINE = "grep -qs '^Google' /sys/class/dmi/id/product_name";

/** systemd.service(5): since 243. */
function knowsExecCondition({ distribution, version }: OsDefinition): boolean {
  return !(version === '7' || (distribution === 'ubuntu' && version === '18.04'));
}

/**
 * Elsewhere, such as on the hypervisor that builds the image, they would wait for Google's metadata server, SSH and the last stage of cloud-init
 * after them. Before the packages, since the machine may reboot right after them.
 */
export function gcpPrepare({ os }: RecipeContext): readonly Action[] {
  if (!knowsExecCondition(os)) return [];
  return [...UNITS, CACHE_UNIT].map((unit) => ({
    kind: 'file',
    path: `/etc/systemd/system/${unit}.d/10-kib.conf`,
    text: `[Service]\nExecCondition=/bin/sh -c "${GOOGLE_MACHINE}"\n`,
  }));
}

export function gcpChecks({ os }: RecipeContext): readonly Check[] {
  return [
    {
      name: 'providers/google-guest-agent',
      title: 'the guest environment of Google starts with the machine',
      script: sh`systemctl is-enabled ${UNITS}`,
      expect: { kind: 'equals', text: UNITS.map(() => 'enabled').join('\n') },
      when: ['build', 'boot'],
    },
    ...(knowsExecCondition(os)
      ? [
          {
            name: 'providers/google-elsewhere',
            title: 'the guest environment of Google holds up no machine of others',
            script: sh`
              if ${raw(GOOGLE_MACHINE)}; then exit 0; fi
              for unit in ${[...UNITS, CACHE_UNIT]}; do
                state=$(systemctl is-active "$unit" || :)
                if [ "$state" != inactive ]; then echo "$unit is $state"; fi
              done
            `,
            expect: { kind: 'equals', text: '' },
            when: ['boot'],
          } as const,
        ]
      : []),
  ];
}
