import { z } from 'zod';
import { type Action, type Check, type PackageRequest, type RecipeContext, sh } from '../../src/core/index.ts';
import { sha256Schema } from '../github.ts';
import { awsCliActions, awsCliChecks, awsCliIssues, awsCliPackages, awsCliSchema } from './aws-cli.ts';

const UNIT = 'amazon-ssm-agent.service';
/** systemd's name of what snapd runs. */
const SNAP_UNIT = 'snap.amazon-ssm-agent.amazon-ssm-agent.service';
const INSTALL_TIMEOUT_MS = 900_000;
const KEY = '/var/tmp/kib-ssm-key';
const SIGNATURE = '/var/tmp/kib-ssm-signature';

const release = z.strictObject({
  version: z
    .string()
    .regex(/^\d+\.\d+\.\d+\.\d+$/, 'must look like 3.3.987.0')
    .describe('Release of the agent'),
  sha256: sha256Schema.describe('Digest of its package, amazon-ssm-agent.deb or amazon-ssm-agent.rpm'),
  signatureSha256: sha256Schema
    .optional()
    .describe('Digest of amazon-ssm-agent.deb.sig beside it; for Debian and Ubuntu, whose packages hold no signature'),
  key: z
    .string()
    .regex(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/, 'must be an armoured OpenPGP public key')
    .describe('The key that Amazon publishes for it ("Verify the SSM Agent signature"), as text'),
  url: z
    .url({ protocol: /^https?$/ })
    .default('https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent')
    .describe('What stands before /<version>/linux_amd64/…'),
});

export const awsSchema = z.strictObject({
  ssmAgent: z
    .union([z.enum(['distribution', 'off']), release])
    .optional()
    .describe(
      'distribution: from Amazon Linux’s repositories, on Ubuntu as a snap, both signed; or a release of Amazon, whose signature is verified; or off; default: distribution on these systems, off on others',
    ),
  awsCli: awsCliSchema,
});

type AwsParams = z.output<typeof awsSchema>;
type Release = z.output<typeof release>;

type Os = RecipeContext['os'];

export function awsIssues(context: RecipeContext, { ssmAgent, awsCli }: AwsParams) {
  const { os } = context;
  const agent = 'recipes.providers.aws.ssmAgent';
  const withRelease = 'give version, sha256 and key of a release, or use off';
  return [
    ...(ssmAgent === 'distribution' && !hasPackage(os) && !hasSnap(os)
      ? [{ path: agent, message: `${os.title} has no package of the SSM agent`, hint: withRelease }]
      : []),
    ...(typeof ssmAgent === 'object' && os.family === 'debian' && ssmAgent.signatureSha256 === undefined
      ? [
          {
            path: `${agent}.signatureSha256`,
            message: 'is needed for a .deb package',
            hint: 'give the digest of amazon-ssm-agent.deb.sig',
          },
        ]
      : []),
    ...(typeof ssmAgent === 'object' && os.family === 'photon'
      ? [{ path: agent, message: `Amazon has no package of the SSM agent for ${os.title}`, hint: 'use off' }]
      : []),
    ...awsCliIssues(context, awsCli),
  ];
}

function agentOf(os: Os, { ssmAgent }: AwsParams): 'distribution' | 'off' | Release {
  return ssmAgent ?? (hasPackage(os) || hasSnap(os) ? 'distribution' : 'off');
}

function hasPackage({ distribution }: Os): boolean {
  return distribution === 'amzn';
}

function hasSnap({ distribution }: Os): boolean {
  return distribution === 'ubuntu';
}

export function awsPackages(context: RecipeContext, params: AwsParams): readonly PackageRequest[] {
  const { os } = context;
  const ssmAgent = agentOf(os, params);
  return [
    ...(ssmAgent === 'distribution' && hasPackage(os) ? [{ name: 'amazon-ssm-agent' }] : []),
    ...(ssmAgent === 'distribution' && hasSnap(os) ? [{ name: 'snapd' }] : []),
    ...(typeof ssmAgent === 'object' && os.family === 'debian' ? [{ name: 'gpgv' }] : []),
    ...awsCliPackages(context, params.awsCli),
  ];
}

export function awsActions(context: RecipeContext, params: AwsParams): readonly Action[] {
  return [...awsCliActions(context, params.awsCli), ...agentActions(context, params)];
}

function agentActions({ os, arch }: RecipeContext, params: AwsParams): readonly Action[] {
  const ssmAgent = agentOf(os, params);
  if (ssmAgent === 'off') return [];
  if (ssmAgent === 'distribution' && hasSnap(os)) {
    return [
      {
        kind: 'exec',
        title: 'install the SSM agent',
        // snapd verifies what it installs by the store's signed assertions.
        script: sh`snap list amazon-ssm-agent >/dev/null 2>&1 || snap install amazon-ssm-agent --classic`,
        timeoutMs: INSTALL_TIMEOUT_MS,
        attempts: 3,
      },
    ];
  }
  return [
    ...(typeof ssmAgent === 'object' ? installRelease(os, arch, ssmAgent) : []),
    { kind: 'service', unit: UNIT, enabled: true },
  ];
}

function installRelease(
  { family }: Os,
  arch: RecipeContext['arch'],
  { url, version, sha256, signatureSha256, key }: Release,
): readonly Action[] {
  const isDeb = family === 'debian';
  const why = 'providers: SSM agent';
  const name = isDeb ? 'amazon-ssm-agent.deb' : 'amazon-ssm-agent.rpm';
  const file = `/var/tmp/${name}`;
  const from = `${url.replace(/\/$/, '')}/${version}/${isDeb ? 'debian' : 'linux'}_${arch}/${name}`;
  return [
    { kind: 'file', path: KEY, text: `${key.trimEnd()}\n` },
    { kind: 'download', download: { url: from, sha256, why }, path: file },
    ...(isDeb && signatureSha256 !== undefined
      ? [{ kind: 'download', download: { url: `${from}.sig`, sha256: signatureSha256, why }, path: SIGNATURE } as const]
      : []),
    {
      kind: 'exec',
      title: 'verify the signature of the SSM agent',
      script: isDeb ? verifyDeb(file) : verifyRpm(file),
      timeoutMs: 120_000,
    },
    { kind: 'install', packages: [file] },
    { kind: 'remove', paths: [KEY, SIGNATURE, file] },
  ];
}

/** gpgv(1) reads binary keys only; the armour is Base64 with headers and a checksum (RFC 9580 §6.2). */
const verifyDeb = (file: string) => sh`
  sed -e '1,/^[[:space:]]*$/d' -e '/^=/d' -e '/^-----/d' ${KEY} | base64 -d >${`${KEY}.gpg`}
  gpgv --keyring ${`${KEY}.gpg`} ${SIGNATURE} ${file}
  rm -f ${`${KEY}.gpg`}
`;

/** In a database of its own, so that the key is trusted for nothing else. */
const verifyRpm = (file: string) => sh`
  keys=$(mktemp -d)
  rpmkeys --dbpath "$keys" --import ${KEY}
  rpmkeys --dbpath "$keys" --checksig --verbose ${file} | tee "$keys/result"
  grep -Eiq 'signature.*: OK$' "$keys/result"
  rm -rf "$keys"
`;

/** An agent that ran while the image was made is registered as that machine. */
export function awsSeal({ os }: RecipeContext, params: AwsParams): readonly Action[] {
  const ssmAgent = agentOf(os, params);
  if (ssmAgent === 'off') return [];
  const unit = ssmAgent === 'distribution' && hasSnap(os) ? SNAP_UNIT : UNIT;
  return [
    {
      kind: 'exec',
      title: 'forget the registration of the SSM agent',
      script: sh`
        systemctl stop ${unit}
        rm -rf /var/lib/amazon/ssm/* /var/log/amazon/ssm/* /var/snap/amazon-ssm-agent/common/*
      `,
      timeoutMs: 120_000,
    },
  ];
}

export function awsChecks(context: RecipeContext, params: AwsParams): readonly Check[] {
  return [...agentChecks(context, params), ...awsCliChecks(params.awsCli)];
}

function agentChecks({ os }: RecipeContext, params: AwsParams): readonly Check[] {
  const ssmAgent = agentOf(os, params);
  if (ssmAgent === 'off') return [];
  const unit = ssmAgent === 'distribution' && hasSnap(os) ? SNAP_UNIT : UNIT;
  return [
    {
      name: 'providers/ssm-agent',
      title: 'the SSM agent starts with the machine',
      script: sh`systemctl is-enabled ${unit}`,
      expect: { kind: 'equals', text: 'enabled' },
      when: ['build', 'boot'],
    },
    ...(typeof ssmAgent === 'object'
      ? [
          {
            name: 'providers/ssm-agent-version',
            title: `the SSM agent is ${ssmAgent.version}`,
            script: sh`amazon-ssm-agent -version`,
            expect: { kind: 'matches', pattern: `\\b${ssmAgent.version.replaceAll('.', '\\.')}\\b` },
            when: ['build', 'boot'],
          } as const,
        ]
      : []),
  ];
}
