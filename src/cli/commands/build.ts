import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { isKibError, KibError, systemClock } from '../../core/index.ts';
import type { BuildRequest, BuildResult } from '../../engine/request.ts';
import { networkFromEnv } from '../../io/network.ts';
import type { ResolvedImage } from '../../plan/resolved.ts';
import type { Ui } from '../../ui/index.ts';
import type { Cli } from '../cli.ts';
import { configureImages, type ImageOptions, settingsHelp, withImageOptions } from '../image-options.ts';
import { cacheHome, stateHome, wantsColour } from '../io.ts';
import { planAll } from '../plans.ts';
import { reportError } from '../report-error.ts';
import { openShell } from '../shell.ts';

interface BuildOptions extends ImageOptions {
  readonly outputDir?: string;
  readonly onError: BuildRequest['onError'];
  readonly verify: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly debug?: boolean;
}

const ON_ERROR = ['cleanup', 'keep', 'shell'] as const;

export function buildCommand(cli: Cli): Command {
  return withImageOptions(new Command('build').description('build images, then boot and check the finished files'))
    .option('--output-dir <dir>', 'folder that gets one folder per image (default: output)')
    .addOption(
      new Option(
        '--on-error <what>',
        'when provisioning fails: clean up, keep the machine for kib-native ssh, or open a shell on it',
      )
        .choices(ON_ERROR)
        .default('cleanup'),
    )
    .option('--no-verify', 'do not inspect and boot the finished files')
    .option('--force', 'replace images that are there already')
    .option('--json', 'events as JSON lines on standard output, the result last')
    .option('--debug', 'show every line of the guest and stacks of errors')
    .addHelpText('after', settingsHelp)
    .action((targets: readonly string[], options: BuildOptions) => buildImages(cli, targets, options));
}

/**
 * Builds one image after the other; a failed one does not stop the rest, an interruption does. No build starts while another image of the
 * command would find its output folder taken.
 */
async function buildImages(cli: Cli, targets: readonly string[], options: BuildOptions): Promise<void> {
  if (options.onError === 'shell' && !cli.io.isInteractive) {
    throw new KibError('KIB_USAGE', '--on-error shell needs a terminal', {
      hint: '--on-error keep, then kib-native ssh <build>',
    });
  }
  const configuration = await configureImages(cli, targets, options);
  const outputDir = resolve(cli.io.cwd, options.outputDir ?? configuration.outputDir ?? 'output');
  const planned = planAll(configuration);
  const { checkOutputDir } = await import('../../engine/output-dir.ts');
  for (const { plan } of planned) await checkOutputDir(outputDir, plan.name, options.force === true);
  const failed: string[] = [];
  for (const { image, plan } of planned) {
    try {
      await buildOne(cli, image.image, outputDir, options);
    } catch (error) {
      failed.push(plan.name);
      const status = reportError(error, cli.io, options);
      cli.exitCode ||= status;
      if (!isKibError(error) || error.class === 'cancelled') return;
    }
  }
  // What failed first has scrolled away by now.
  if (failed.length > 0 && planned.length > 1 && options.json !== true)
    cli.say(`${failed.length} of ${planned.length} images failed: ${failed.join(', ')}`);
}

async function buildOne(cli: Cli, image: ResolvedImage, outputDir: string, options: BuildOptions): Promise<void> {
  const { io } = cli;
  const [{ startBuild }, { createUi, renderReport }] = await Promise.all([
    import('../../engine/start-build.ts'),
    import('../../ui/index.ts'),
  ]);
  const canRedraw = io.stderr.isTTY === true && io.env['TERM'] !== 'dumb';
  const ui = createUi({
    mode: options.json === true ? 'json' : canRedraw ? 'tty' : 'plain',
    stdout: io.stdout,
    stderr: io.stderr,
    verbose: options.debug === true,
    columns: () => io.stderr.columns ?? 80,
    colour: wantsColour(io.env, io.stderr),
    clock: systemClock,
  });
  try {
    const build = startBuild(buildRequest(cli, image, outputDir, options, ui), io.signal);
    build.subscribe((event) => ui.read(event));
    io.onBuild?.({
      say: (text) => ui.say(text),
      leave: () => {
        ui.close();
        return build.held();
      },
    });
    const result = await build.result;
    ui.close();
    printResult(cli, result, options, renderReport);
  } finally {
    io.onBuild?.(undefined);
    ui.close();
  }
}

function buildRequest(cli: Cli, image: ResolvedImage, outputDir: string, options: BuildOptions, ui: Ui): BuildRequest {
  return {
    image,
    outputDir,
    verify: options.verify,
    force: options.force === true,
    onError: options.onError,
    openShell: async (access) => {
      const resume = ui.suspend();
      try {
        await openShell(access, [], cli.io.signal);
      } finally {
        resume();
      }
    },
    stateHome: stateHome(cli.io.env),
    cacheHome: cacheHome(cli.io.env),
    network: networkFromEnv(cli.io.env),
  };
}

function printResult(
  cli: Cli,
  result: BuildResult,
  options: BuildOptions,
  renderReport: (result: BuildResult, options: { colour: boolean }) => string,
): void {
  if (options.json === true) cli.print(JSON.stringify({ v: 1, type: 'result', build: result.id, result }));
  else cli.print(renderReport(result, { colour: wantsColour(cli.io.env, cli.io.stdout) }));
}
