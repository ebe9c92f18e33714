import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { didYouMean } from '../../config/nearest.ts';
import { type Arch, EXIT_STATUS, type Finding, KibError } from '../../core/index.ts';
import { run } from '../../io/process.ts';
import { findProgram } from '../../io/programs.ts';
import type { Cli } from '../cli.ts';
import { checkHost, type HostCheck } from '../host-checks.ts';
import { detectManager, type HostFacts, type HostManager, installUntilNothingNew } from '../host-packages.ts';

interface DoctorOptions {
  readonly driver?: string;
  readonly arch: Arch;
  readonly install?: boolean;
  readonly json?: boolean;
}

const STATUS_MARKS = { ok: '✓', warning: '!', missing: '✗' } as const;

export function doctorCommand(cli: Cli): Command {
  return new Command('doctor')
    .description('look at this host for what builds need; exit status 3 when something is missing')
    .option('--driver <name>', 'the driver to build with; default: qemu, as with builds')
    .addOption(
      new Option('--arch <arch>', 'architecture of the images to build')
        .choices(['amd64', 'arm64'])
        .default(hostArch(), 'this host’s'),
    )
    .option('--install', 'install what is missing, with apt, dnf or brew (through sudo when not root)')
    .option('--json', 'the findings as JSON')
    .action((options: DoctorOptions) => doctor(cli, options));
}

async function doctor(cli: Cli, options: DoctorOptions): Promise<void> {
  const registry = await cli.registry();
  // What another hypervisor lacks is no concern of those who do not build on it.
  const wanted = options.driver ?? registry.drivers[0]?.name;
  const drivers = registry.drivers.filter(({ name }) => name === wanted);
  if (drivers.length === 0 && options.driver !== undefined) {
    const names = registry.drivers.map(({ name }) => name);
    throw new KibError('KIB_USAGE', `there is no driver ${options.driver}`, {
      hint: didYouMean(options.driver, names) ?? names.join(', '),
    });
  }
  const look = () => checkHost({ registry, drivers, arch: options.arch, io: cli.io });
  const host = await hostFacts();
  const checks =
    options.install === true
      ? await installUntilNothingNew(look, {
          host,
          isRoot: cli.io.isRoot,
          run: async ([program = '', ...args]) => {
            await run(program, args, { signal: cli.io.signal, onLine: (line) => cli.say(`  ${line}`) });
          },
          say: (line) => cli.say(line),
        })
      : await look();
  if (options.json === true) cli.printJson(checks);
  else cli.print(await checksText(checks, host, options, cli));
  const isMissing = checks.some(({ findings }) => findings.some(({ status }) => status === 'missing'));
  if (isMissing) cli.exitCode = EXIT_STATUS.environment;
}

async function checksText(checks: readonly HostCheck[], host: HostFacts, options: DoctorOptions, cli: Cli): Promise<string> {
  const manager = await detectManager(host);
  const canInstall = checks.some(({ findings }) => findings.some((finding) => packagesOf(finding, manager).length > 0));
  const arch = options.arch === hostArch() ? [] : ['--arch', options.arch];
  const install = ['hint: kib-native doctor --install', ...arch].join(' ');
  return [...checks.map((check) => checkText(check, manager, cli)), ...(canInstall ? [install] : [])].join('\n');
}

function packagesOf({ status, packages }: Finding, manager: HostManager | undefined): readonly string[] {
  return status === 'ok' || manager === undefined ? [] : (packages?.[manager] ?? []);
}

function checkText({ title, findings }: HostCheck, manager: HostManager | undefined, cli: Cli): string {
  const { bold, green, yellow, red, dim } = cli.colours;
  const colour = { ok: green, warning: yellow, missing: red };
  const lines = findings.flatMap((finding: Finding) => {
    const packages = packagesOf(finding, manager).join(' ');
    const fix = packages === '' ? finding.fix : `${manager}: ${packages}`;
    return [
      `  ${colour[finding.status](STATUS_MARKS[finding.status])} ${finding.name}: ${finding.detail}`,
      ...(finding.status === 'ok' || fix === undefined ? [] : [dim(`      ${fix}`)]),
    ];
  });
  return [bold(title), ...lines].join('\n');
}

function hostArch(): Arch {
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}

async function hostFacts(): Promise<HostFacts> {
  const osRelease = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return { platform: process.platform, osRelease, has: async (program) => (await findProgram(program)) !== undefined };
}
