import { Command } from 'commander';
import { KibError } from '../../core/index.ts';
import type { GcReport } from '../../engine/gc.ts';
import type { Cli } from '../cli.ts';
import { stateHome } from '../io.ts';

interface GcOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function gcCommand(cli: Cli): Command {
  return new Command('gc')
    .description('remove what killed builds left behind')
    .argument('[build...]', 'also these builds, although their machine was kept')
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'the report as JSON')
    .action(async (builds: readonly string[], options: GcOptions) => {
      const { collectGarbage } = await import('../../engine/gc.ts');
      const { drivers } = await cli.registry();
      const { signal, env } = cli.io;
      const report = await collectGarbage({
        stateHome: stateHome(env),
        drivers,
        dryRun: options.dryRun === true,
        builds,
        signal,
      });
      const unknown = builds.filter((id) => !report.builds.some((build) => build.id === id));
      if (unknown.length > 0)
        throw new KibError('KIB_USAGE', `there is no build ${unknown.join(', ')}`, { hint: 'kib-native gc --dry-run' });
      if (options.json === true) cli.printJson(report);
      else cli.print(reportText(report, options.dryRun === true));
      const failed = report.builds.filter((build) => build.status === 'failed');
      if (failed.length > 0) {
        throw new KibError('KIB_LEAKED', `could not clean up after ${failed.map((build) => build.id).join(', ')}`, {
          hint: 'see above why, then kib-native gc again',
        });
      }
    });
}

function reportText({ builds }: GcReport, isDryRun: boolean): string {
  const told = builds.filter((build) => build.status !== 'clean');
  if (told.length === 0) return 'nothing was left behind';
  return told
    .map((build) => {
      const notes = {
        kept: `kept; kib-native gc ${build.id} removes it`,
        collected: isDryRun ? 'was killed' : 'collected',
        running: 'still runs; nothing of it is touched',
      };
      const note = notes[build.status as keyof typeof notes] ?? build.status;
      const lines = build.resources.map(
        ({ resource, outcome, ok }) => `  ${ok ? ' ' : '!'} ${resource.kind} ${resource.id}: ${outcome}`,
      );
      return [`${build.id}: ${note}`, ...lines].join('\n');
    })
    .join('\n');
}
