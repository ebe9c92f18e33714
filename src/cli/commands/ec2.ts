import { Command } from 'commander';
import {
  type ConfigIssue,
  type Context,
  type Credentials,
  configError,
  type RunningMachine,
  systemClock,
} from '../../core/index.ts';
import { networkFromEnv } from '../../io/network.ts';
import { preview } from '../../plan/explain.ts';
import type { Cli } from '../cli.ts';
import { loadStrip } from '../registry.ts';
import { runWork } from '../run-work.ts';
import { defined, pairs, printImages } from './publish.ts';

interface StripOptions {
  readonly region: string;
  readonly endpoint?: string;
  readonly name?: string;
  readonly description?: string;
  readonly instanceType?: string;
  readonly subnet?: readonly string[];
  readonly securityGroup?: readonly string[];
  readonly allowFrom?: readonly string[];
  readonly private?: boolean;
  readonly kmsKey?: string;
  readonly regions: readonly string[];
  readonly tag: Readonly<Record<string, string>>;
  readonly pollSeconds?: number;
  readonly slowness?: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function ec2Command(cli: Cli): Command {
  const strip = new Command('strip-product-code')
    .description('make an AMI with the disk of a Marketplace AMI and without its product code, to build on')
    .argument('<ami>', 'id of the AMI; the account must be subscribed to the product')
    .requiredOption('--region <region>', 'region that it is in')
    .option('--name <template>', 'name of the AMI that is made; {name} (of the source), {timestamp} and {build} are filled in')
    .option('--description <template>', 'its description; the same is filled in')
    .option('--instance-type <type>', 'type of the helper; default: t3.small, for arm64 t4g.small')
    .option('--subnet <id...>', 'subnets for the helper; default: those of the default VPC')
    .option('--security-group <id...>', 'its security groups; default: one is made and removed')
    .option('--allow-from <range...>', 'addresses that this one lets in to port 22; default: the one this host is seen with')
    .option('--private', 'log in by its private address')
    .option('--kms-key <id>', 'KMS key that encrypts the AMI')
    .option('--regions <region...>', 'regions that get a copy; all: every one that the account has enabled', [])
    .option('--tag <name=value>', 'tag of everything that is made; once per tag', pairs, {})
    .option('--slowness <factor>', 'how many times longer than usual the helper may take', Number)
    .option('--poll-seconds <seconds>', 'how often EC2 is asked how far things are', Number)
    .option('--endpoint <url>', 'where the APIs answer, if not at Amazon’s own addresses')
    .option('--dry-run', 'look the AMI up and say what would be called')
    .option('--json', 'the images as JSON')
    .addHelpText('after', '\nCredentials are found as by the AWS CLI. The product’s licence says what the AMI may be used for.')
    .action((ami: string, options: StripOptions) => stripCode(cli, ami, options));
  return new Command('ec2').description('work on machine images of Amazon EC2').addCommand(strip);
}

async function stripCode(cli: Cli, ami: string, options: StripOptions): Promise<void> {
  const { ec2OptionsSchema, stripProductCode, previewStrip, forget } = await loadStrip();
  const parsed = ec2OptionsSchema.safeParse(settingsOf(options));
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }): ConfigIssue => ({ path: path.join('.'), message }));
    throw configError(issues, 'KIB_USAGE');
  }
  const request = { ami, options: parsed.data };
  if (options.dryRun === true) {
    const { env, signal } = cli.io;
    const lines = await previewStrip(request, { clock: systemClock, network: networkFromEnv(env), signal });
    if (options.json === true) cli.printJson(lines);
    else cli.print(lines.flatMap(preview).join('\n'));
    return;
  }
  const [{ makeLogin }, { waitForGuest }, { BUILD_HOSTNAME }] = await Promise.all([
    import('../../engine/login.ts'),
    import('../../engine/boot-wait.ts'),
    import('../../engine/start-machine.ts'),
  ]);
  const tools = {
    login: (instanceId: string) => makeLogin({ instanceId, hostname: BUILD_HOSTNAME, minimal: true }),
    connect: (machine: RunningMachine, credentials: Credentials, context: Context) =>
      waitForGuest(machine, credentials, context, { cloudInit: 'network' }),
    forget,
  };
  printImages(cli, await runWork(cli, 'strip-product-code', (context) => stripProductCode(request, tools, context)), options);
}

/** The driver’s options that the command line speaks of. */
function settingsOf(options: StripOptions): Readonly<Record<string, unknown>> {
  return defined({
    region: options.region,
    endpoint: options.endpoint,
    instanceType: options.instanceType,
    subnets: options.subnet,
    securityGroups: options.securityGroup,
    allowFrom: options.allowFrom,
    address: options.private === true ? 'private' : undefined,
    volume: options.kmsKey === undefined ? undefined : { kmsKeyId: options.kmsKey },
    tags: options.tag,
    slowness: options.slowness,
    pollSeconds: options.pollSeconds,
    ami: defined({
      name: options.name,
      description: options.description,
      regions: options.regions.includes('all') ? 'all' : options.regions,
    }),
  });
}
