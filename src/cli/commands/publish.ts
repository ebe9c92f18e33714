import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { amiOptionsSchema, placeSchema } from '../../aws/options.ts';
import { type Arch, type ConfigIssue, configError, type RemoteImage } from '../../core/index.ts';
import type { Cli } from '../cli.ts';
import { runWork } from '../run-work.ts';

interface PublishOptions {
  readonly region: string;
  readonly endpoint?: string;
  readonly name?: string;
  readonly description?: string;
  readonly arch?: Arch;
  readonly bootMode?: string;
  readonly rootDevice?: string;
  readonly tpm?: boolean;
  readonly regions: readonly string[];
  readonly kmsKey: Readonly<Record<string, string>>;
  readonly encrypt?: boolean;
  readonly shareAccount: readonly string[];
  readonly shareOrganization: readonly string[];
  readonly shareUnit: readonly string[];
  readonly shareSnapshots?: boolean;
  readonly public?: boolean;
  readonly tag: Readonly<Record<string, string>>;
  readonly snapshotTag: Readonly<Record<string, string>>;
  readonly deprecateAfterDays?: number;
  readonly protect?: boolean;
  readonly parallel?: number;
  readonly json?: boolean;
}

export function publishCommand(cli: Cli): Command {
  const publish = new Command('publish').description('hand a finished disk over to a cloud');
  publish
    .command('ami')
    .description('make an Amazon machine image of a disk of this host, without a machine at Amazon')
    .argument('<source>', 'a .raw, .qcow2, .vmdk or .ova file, or the folder of a build')
    .requiredOption('--region <region>', 'region to make it in')
    .option('--name <template>', 'its name; {name}, {timestamp}, {build} and properties of the image are filled in')
    .option('--description <template>', 'its description; the same is filled in')
    .addOption(new Option('--arch <arch>', 'architecture; default: the build’s, else amd64').choices(['amd64', 'arm64']))
    .addOption(
      new Option('--boot-mode <mode>', 'default: the build’s firmware, else uefi-preferred').choices([
        'uefi',
        'legacy-bios',
        'uefi-preferred',
      ]),
    )
    .option('--root-device <name>', 'name of the root device', '/dev/xvda')
    .option('--tpm', 'give machines of it a TPM 2.0')
    .option('--regions <region...>', 'regions that get a copy; all: every one that the account has enabled', [])
    .option('--encrypt', 'encrypt it; default: what the account says')
    .option('--kms-key <region=key>', 'KMS key that encrypts it in a region, by ARN; once per region', pairs, {})
    .option('--share-account <id...>', 'accounts that may start machines from it', [])
    .option('--share-organization <arn...>', 'organizations that may', [])
    .option('--share-unit <arn...>', 'organizational units that may', [])
    .option('--share-snapshots', 'let those accounts make volumes of its snapshots, too')
    .option('--public', 'let everybody start machines from it')
    .option('--tag <name=value>', 'tag of the AMI; once per tag', pairs, {})
    .option('--snapshot-tag <name=value>', 'tag of its snapshot; once per tag', pairs, {})
    .option('--deprecate-after-days <days>', 'mark it deprecated so many days later', Number)
    .option('--protect', 'forbid deregistering it')
    .option('--parallel <blocks>', 'blocks of 512 KiB in flight at most', positive)
    .option('--endpoint <url>', 'where the APIs answer, if not at Amazon’s own addresses')
    .option('--json', 'the images as JSON')
    .addHelpText('after', '\nCredentials are found as by the AWS CLI. What is cut off goes on where it was when it is run again.')
    .action((source: string, options: PublishOptions) => publishAmi(cli, source, options));
  return publish;
}

async function publishAmi(cli: Cli, source: string, options: PublishOptions): Promise<void> {
  const request = requestOf(source, cli, options);
  const { publishDisk } = await import('../../publish/ami.ts');
  const images = await runWork(cli, 'publish-ami', (context) => publishDisk(request, context));
  printImages(cli, images, options);
}

/** One line per image, or all as JSON. */
export function printImages(cli: Cli, images: readonly RemoteImage[], options: { readonly json?: boolean }): void {
  if (options.json === true) cli.printJson(images);
  else cli.print(images.map(({ id, location, facts }) => `${location} ${id} ${facts['name'] ?? ''}`.trimEnd()).join('\n'));
}

function requestOf(source: string, cli: Cli, options: PublishOptions) {
  const { region, kmsKey } = options;
  const { [region]: homeKey, ...kmsKeyIds } = kmsKey;
  const place = placeSchema.safeParse(defined({ region, endpoint: options.endpoint }));
  const ami = amiOptionsSchema.safeParse(
    defined({
      name: options.name,
      description: options.description,
      regions: options.regions.includes('all') ? 'all' : options.regions,
      kmsKeyIds,
      shareWith: {
        accounts: options.shareAccount,
        organizations: options.shareOrganization,
        organizationalUnits: options.shareUnit,
      },
      shareSnapshots: options.shareSnapshots,
      public: options.public,
      tags: options.tag,
      snapshotTags: options.snapshotTag,
      bootMode: options.bootMode,
      tpm: options.tpm,
      deprecateAfterDays: options.deprecateAfterDays,
      deregistrationProtection: options.protect === true ? 'on' : 'off',
    }),
  );
  if (!place.success || !ami.success) {
    const issues = [place, ami].flatMap((one) => one.error?.issues ?? []);
    throw configError(
      issues.map(({ path, message }): ConfigIssue => ({ path: path.join('.'), message })),
      'KIB_USAGE',
    );
  }
  return {
    source: resolve(cli.io.cwd, source),
    place: place.data,
    ami: ami.data,
    tags: {},
    arch: options.arch,
    rootDevice: options.rootDevice,
    encryption: options.encrypt === true || homeKey !== undefined ? { kmsKeyArn: homeKey } : undefined,
    parallel: options.parallel,
  };
}

export function defined<T extends Readonly<Record<string, unknown>>>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

export function pairs(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('must look like name=value');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= 1000) return value;
  throw new InvalidArgumentError('must be a whole number from 1 to 1000');
}
