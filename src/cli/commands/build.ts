import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { KibError } from '../../core/index.ts';
import type { BuildRequest } from '../../engine/request.ts';
import { networkFromEnv } from '../../io/network.ts';
import type { Cli } from '../cli.ts';
import { configureImages, type ImageOptions, settingsHelp, withImageOptions } from '../image-options.ts';
import { cacheHome, stateHome } from '../io.ts';
import { type LayerOptions, layerRequest, requireLayer, withLayerOptions } from '../layer-options.ts';
import { hostSize, parallelism } from '../parallelism.ts';
import { type Planned, planAll } from '../plans.ts';
import { runBuilds } from '../run-builds.ts';

interface BuildOptions extends ImageOptions, LayerOptions {
  readonly outputDir?: string;
  readonly onError: BuildRequest['onError'];
  readonly onBreakpoint: 'pause' | 'skip';
  readonly parallel: number | 'auto';
  readonly verify: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly debug?: boolean;
}

const ON_BREAKPOINT = ['pause', 'skip'] as const;
const ON_ERROR = ['cleanup', 'keep', 'shell'] as const;

export function buildCommand(cli: Cli): Command {
  const command = withImageOptions(new Command('build').description('build images, then boot and check the finished files'))
    .option('--output-dir <dir>', 'folder that gets one folder per image (default: output)')
    .option(
      '--parallel <n>',
      'how many images to build at once; auto: as many as this host has CPUs and free memory for',
      count,
      1,
    )
    .addOption(
      new Option(
        '--on-error <what>',
        'when provisioning fails: clean up, keep the machine for kib-native ssh, or open a shell on it',
      )
        .choices(ON_ERROR)
        .default('cleanup'),
    )
    .addOption(
      new Option('--on-breakpoint <what>', 'at a breakpoint: pause until Enter is pressed here, or skip it')
        .choices(ON_BREAKPOINT)
        .default('pause'),
    )
    .option('--no-verify', 'do not inspect and boot the finished files')
    .option('--force', 'build even when nothing changed, and replace images that are there already');
  return withLayerOptions(command)
    .option('--json', 'events as JSON lines on standard output, the result last')
    .option('--debug', 'show every line of the guest and stacks of errors')
    .addHelpText('after', settingsHelp)
    .action((targets: readonly string[], options: BuildOptions) => buildImages(cli, targets, options));
}

/** Builds images once everything that can be known to be wrong with any of them is ruled out. */
async function buildImages(cli: Cli, targets: readonly string[], options: BuildOptions): Promise<void> {
  if (options.onError === 'shell' && !cli.io.isInteractive) throw shellError('--on-error shell needs a terminal');
  const layers = await layerRequest(options, cli.io.cwd);
  const configuration = await configureImages(cli, targets, options);
  const outputDir = resolve(cli.io.cwd, options.outputDir ?? configuration.outputDir ?? 'output');
  const planned = planAll(configuration);
  const plans = planned.map(({ plan }) => plan);
  requireLayer(options.from, plans);
  const parallel = howMany(cli, planned, options);
  const { checkOutputDir } = await import('../../engine/output-dir.ts');
  for (const { name } of plans) await checkOutputDir(outputDir, name, options.force === true);
  const { env } = cli.io;
  const common = {
    outputDir,
    verify: options.verify,
    force: options.force === true,
    onError: options.onError,
    onBreakpoint: options.onBreakpoint,
    stateHome: stateHome(env),
    cacheHome: cacheHome(env),
    env,
    network: networkFromEnv(env),
    ...layers,
  };
  const titles = titlesOf(planned);
  const builds = planned.map(({ image: { image }, plan }) => ({
    title: titles(image.name, plan.name),
    request: { ...common, image },
  }));
  await runBuilds(cli, builds, { parallel, json: options.json, debug: options.debug });
}

/** The names that images call themselves, or where two have the same one those of their folders. */
function titlesOf(planned: readonly Planned[]): (image: string, plan: string) => string {
  const names = planned.map(({ image }) => image.image.name);
  return (image, plan) => (new Set(names).size === names.length ? image : plan);
}

/** How many builds to run at once. Throws what the host or the user's shell cannot bear. */
function howMany(cli: Cli, planned: readonly Planned[], options: BuildOptions): number {
  const wanted = options.onError === 'shell' && options.parallel === 'auto' ? 1 : options.parallel;
  const { limit, warning } = parallelism(
    wanted,
    planned.map(({ plan }) => plan.machine),
    hostSize(),
  );
  if (limit > 1 && options.onError === 'shell') throw shellError('--on-error shell cannot serve several builds at once');
  if (warning !== undefined) cli.warn([{ path: '', source: `--parallel ${wanted}`, message: warning }]);
  return limit;
}

function shellError(message: string): KibError {
  return new KibError('KIB_USAGE', message, { hint: '--on-error keep, then kib-native ssh <build>' });
}

function count(text: string): number | 'auto' {
  if (text === 'auto') return text;
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('Want a number from 1, or auto.');
  return Number(text);
}
