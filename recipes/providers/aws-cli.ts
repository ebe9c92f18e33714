import { z } from 'zod';
import { type Action, type Check, type PackageRequest, type RecipeContext, sh } from '../../src/core/index.ts';
import { sha256Schema } from '../github.ts';

const FILE = '/var/tmp/kib-awscli.zip';
const TIMEOUT_MS = 600_000;
const MACHINE: Readonly<Record<RecipeContext['arch'], string>> = { amd64: 'x86_64', arm64: 'aarch64' };

export const awsCliSchema = z
  .union([
    z.boolean(),
    z.strictObject({
      version: z
        .string()
        .regex(/^2\.\d+\.\d+$/, 'must look like 2.31.9')
        .describe('Release of the AWS CLI'),
      sha256: sha256Schema.describe('Digest of awscli-exe-linux-<machine>-<version>.zip'),
      url: z
        .url({ protocol: /^https?$/ })
        .default('https://awscli.amazonaws.com')
        .describe('What stands before /awscli-exe-linux-…; a mirror'),
    }),
  ])
  .default(false)
  .describe(
    'Whether the AWS command line is in the image: true for the package of Amazon Linux or Debian, or a release of Amazon',
  );

type AwsCli = z.output<typeof awsCliSchema>;

/** Amazon Linux 2 has version 1 only; Ubuntu has none since 24.04. */
function packageOf({ distribution, version }: RecipeContext['os']): string | undefined {
  if (distribution === 'debian') return 'awscli';
  if (distribution !== 'amzn') return undefined;
  return version === '2' ? 'awscli' : 'awscli-2';
}

export function awsCliIssues({ os }: RecipeContext, awsCli: AwsCli) {
  if (awsCli !== true || packageOf(os) !== undefined) return [];
  const message = `${os.title} has no package of the AWS command line`;
  return [{ path: 'recipes.providers.aws.awsCli', message, hint: 'give version and sha256 of a release' }];
}

export function awsCliPackages({ os }: RecipeContext, awsCli: AwsCli): readonly PackageRequest[] {
  if (awsCli === false) return [];
  const name = awsCli === true ? packageOf(os) : 'unzip';
  return name === undefined ? [] : [{ name }];
}

/** "Installing or updating to the latest version of the AWS CLI", AWS documentation. */
export function awsCliActions({ arch }: RecipeContext, awsCli: AwsCli): readonly Action[] {
  if (typeof awsCli === 'boolean') return [];
  const { version, sha256, url } = awsCli;
  const from = `${url.replace(/\/$/, '')}/awscli-exe-linux-${MACHINE[arch]}-${version}.zip`;
  return [
    { kind: 'download', download: { url: from, sha256, why: 'providers: AWS CLI' }, path: FILE, mode: '0600' },
    {
      kind: 'exec',
      title: 'install the AWS command line',
      // sudo's search path on Enterprise Linux has no /usr/local/bin.
      script: sh`
        folder=$(mktemp -d -p /var/tmp)
        unzip -q ${FILE} -d "$folder"
        "$folder/aws/install" --update --install-dir /usr/local/aws-cli --bin-dir /usr/local/bin
        ln -sf /usr/local/bin/aws /usr/bin/aws
        rm -rf "$folder" ${FILE}
      `,
      timeoutMs: TIMEOUT_MS,
    },
  ];
}

export function awsCliChecks(awsCli: AwsCli): readonly Check[] {
  if (awsCli === false) return [];
  const version = awsCli === true ? undefined : awsCli.version;
  return [
    {
      name: 'providers/aws-cli',
      title: `the AWS command line is there${version === undefined ? '' : `, release ${version}`}`,
      script: sh`aws --version`,
      expect: { kind: 'matches', pattern: `^aws-cli/${version === undefined ? '' : `${version.replaceAll('.', '\\.')} `}` },
      when: ['build', 'boot'],
    },
  ];
}
