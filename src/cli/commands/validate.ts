import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { configureImages, type ImageOptions, withImageOptions } from '../image-options.ts';
import { planAll } from '../plans.ts';

export function validateCommand(cli: Cli): Command {
  return withImageOptions(
    new Command('validate').description('check images and plan them; says everything that is wrong at once'),
  )
    .option('--json', 'the result as JSON')
    .action(async (targets: readonly string[], options: ImageOptions & { readonly json?: boolean }) => {
      const planned = planAll(await configureImages(cli, targets, options));
      if (options.json === true) {
        cli.printJson(
          planned.map(({ image, plan }) => ({ source: image.merged.name, image: image.image.name, name: plan.name, ok: true })),
        );
      } else cli.print(planned.map(({ image, plan }) => `${image.merged.name}: ok (${plan.name})`).join('\n'));
    });
}
