import { Command } from 'commander';
import { explainPlan } from '../../plan/explain.ts';
import type { Cli } from '../cli.ts';
import { configureImages, type ImageOptions, withImageOptions } from '../image-options.ts';
import { planAll } from '../plans.ts';

export function planCommand(cli: Cli): Command {
  return withImageOptions(new Command('plan').description('print what a build would do; nothing is downloaded or created'))
    .option('--json', 'the plan as JSON; a list for several images')
    .action(async (targets: readonly string[], options: ImageOptions & { readonly json?: boolean }) => {
      const plans = planAll(await configureImages(cli, targets, options)).map(({ plan }) => plan);
      if (options.json === true) cli.printJson(plans.length === 1 ? plans[0] : plans);
      else cli.print(plans.map((plan) => explainPlan(plan)).join('\n'));
    });
}
