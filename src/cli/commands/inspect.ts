import { Command } from 'commander';
import type { ConfiguredImage } from '../../config/configure.ts';
import { type Setting, settings, valueText } from '../../config/settings.ts';
import { schemasAt } from '../../config/walk.ts';
import type { Cli } from '../cli.ts';
import { configureImages, type ImageOptions, withImageOptions } from '../image-options.ts';
import { table } from '../table.ts';

interface InspectedSetting extends Setting {
  readonly value: unknown;
  /** `default`, `image`, `env` …: the highest that gave it. */
  readonly origin: string;
  /** `node.yaml:3:5`, `--var cpus`; undefined for defaults. */
  readonly source: string | undefined;
}

export function inspectCommand(cli: Cli): Command {
  return withImageOptions(
    new Command('inspect').description('print every setting of an image: its value, where it came from, its default'),
  )
    .option('--json', 'the settings as JSON; a list of lists for several images')
    .action(async (targets: readonly string[], options: ImageOptions & { readonly json?: boolean }) => {
      const { images } = await configureImages(cli, targets, options);
      const inspected = images.map((image) => inspect(image));
      if (options.json === true) cli.printJson(inspected.length === 1 ? inspected[0] : inspected);
      else cli.print(images.map((image, index) => text(image, inspected[index] ?? [], cli)).join('\n\n'));
    });
}

function inspect({ image, merged, root }: ConfiguredImage): readonly InspectedSetting[] {
  return (
    settings(root)
      .filter((setting) => !setting.path.includes('[]'))
      .map((setting) => {
        const path = setting.path.split('.');
        const value = path.reduce<unknown>(
          (at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined),
          image.spec,
        );
        const origin = merged.originOf(path);
        return { ...setting, value, origin, source: origin === 'default' ? undefined : merged.locate(path, 'value') };
      })
      // A group says nothing that its members, which follow it, do not say.
      .filter(({ path, value }, index, all) => !(isObject(value) && all[index + 1]?.path.startsWith(`${path}.`) === true))
  );
}

function text({ image, root }: ConfiguredImage, rows: readonly InspectedSetting[], cli: Cli): string {
  const { bold, dim } = cli.colours;
  const lines = rows.map(({ path, value, origin, source, default: fallback }) => [
    path,
    value === undefined ? '-' : valueText(value, schemasAt(root, path.split('.'))[0]),
    origin === 'default' ? 'default' : (source ?? origin),
    origin === 'default' || fallback === undefined ? '' : `default ${fallback}`,
  ]);
  const [heading = '', ...rest] = table([['setting', 'value', 'from', ''], ...lines]).split('\n');
  return [bold(image.name), dim(heading), ...rest].join('\n');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
