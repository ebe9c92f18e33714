import type { Command } from 'commander';
import { type Configuration, configure } from '../config/configure.ts';
import { settings } from '../config/settings.ts';
import { imageSchema } from '../core/index.ts';
import type { Cli } from './cli.ts';
import { table } from './table.ts';

/** Options of every command that reads images. */
export interface ImageOptions {
  readonly driver?: string;
  readonly format?: readonly string[];
  readonly kubernetesVersion?: string;
  readonly without?: readonly string[];
  readonly var?: readonly string[];
  readonly varFile?: readonly string[];
  readonly only?: readonly string[];
  readonly except?: readonly string[];
}

const describe = (key: keyof typeof imageSchema.shape) => imageSchema.shape[key].description ?? '';

/** Adds the arguments and options that say which images, and what to change in them. */
export function withImageOptions(command: Command): Command {
  return command
    .argument('<image...>', 'catalog names (kib-native list) or files: .yaml, .yml, .json, .ts, .mts, .js, .mjs')
    .option('--driver <name>', 'driver to build with (kib-native list drivers)')
    .option('--format <formats>', `${lowerFirst(describe('formats'))}; comma-separated: qcow2,raw,ova`, list)
    .option('--kubernetes-version <version>', 'Kubernetes release, with the leading v')
    .option('--without <recipes>', 'recipes to leave out, besides those the image leaves out; comma-separated', list)
    .option('--var <name=value>', 'set any setting by its dotted name; repeatable', collect)
    .option('--var-file <file>', 'YAML or JSON file of settings; repeatable', collect)
    .option('--only <names>', 'only these of the images; comma-separated', list)
    .option('--except <names>', 'all but these of the images; comma-separated', list);
}

/** Images that can be planned, from what was typed. Throws everything that is wrong with it. */
export async function configureImages(cli: Cli, targets: readonly string[], options: ImageOptions): Promise<Configuration> {
  const flags = [
    { flag: '--driver', setting: 'driver', value: options.driver },
    { flag: '--format', setting: 'formats', value: options.format },
    { flag: '--kubernetes-version', setting: 'kubernetes.version', value: options.kubernetesVersion },
    { flag: '--without', setting: 'without', value: options.without },
  ].filter(({ value }) => value !== undefined);
  const { env, cwd } = cli.io;
  const configuration = await configure({
    targets,
    registry: await cli.registry(),
    variables: { env, cwd, flags, vars: options.var ?? [], varFiles: options.varFile ?? [] },
    ...(options.only === undefined ? {} : { only: options.only }),
    ...(options.except === undefined ? {} : { except: options.except }),
  });
  cli.warn(configuration.warnings);
  return configuration;
}

/** The top-level settings for --help, from their schema. */
export function settingsHelp(): string {
  const defaults = new Map(settings(imageSchema).map((setting) => [setting.path, setting.default]));
  const rows = Object.keys(imageSchema.shape).map((key) => {
    const fallback = defaults.get(key);
    return [
      `  ${key}`,
      `${describe(key as keyof typeof imageSchema.shape)}${fallback === undefined ? '' : ` (default: ${fallback})`}`,
    ];
  });
  return `\nSettings, for --var and image files (kib-native inspect <image> shows all of them):\n${table(rows)}\n`;
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** Comma-separated, and repeatable. */
function list(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), ...value.split(',').map((entry) => entry.trim())];
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
