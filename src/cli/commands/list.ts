import { Argument, Command } from 'commander';
import type { Registry } from '../../config/schema.ts';
import { systemClock } from '../../core/index.ts';
import { isAtEndOfLife } from '../../engine/end-of-life.ts';
import type { Cli } from '../cli.ts';
import { table } from '../table.ts';

const KINDS = ['images', 'drivers', 'recipes', 'formats'] as const;
type Kind = (typeof KINDS)[number];

export function listCommand(cli: Cli): Command {
  return new Command('list')
    .description('list what can be built, with and to')
    .addArgument(new Argument('[kind]', 'only these').choices(KINDS))
    .option('--json', 'as JSON')
    .action(async (kind: Kind | undefined, options: { readonly json?: boolean }) => {
      const everything = contents(await cli.registry());
      const kinds = kind === undefined ? KINDS : [kind];
      if (options.json === true) cli.printJson(kind === undefined ? everything : everything[kind]);
      else cli.print(kinds.map((kind) => section(kind, everything[kind], cli)).join('\n\n'));
    });
}

function contents(registry: Registry) {
  return {
    images: registry.catalog.map((os) => ({
      name: os.id,
      summary: os.title,
      aliases: os.aliases,
      endOfLife: os.endOfLife,
      isAtEndOfLife: isAtEndOfLife(os, systemClock.now()),
      bases: Object.fromEntries(
        Object.entries(os.bases).map(([arch, bases]) => [arch, [...new Set(bases.map(({ kind }) => kind))]]),
      ),
    })),
    drivers: registry.drivers.map(({ name, summary, capabilities }) => ({ name, summary, capabilities })),
    recipes: registry.recipes.map(({ name, summary, optional = false }) => ({ name, summary, optional })),
    formats: registry.exporters.map(({ format, summary }) => ({ name: format, summary })),
  };
}

function section(kind: Kind, entries: ReturnType<typeof contents>[Kind], cli: Cli): string {
  const rows = entries.map((entry) => [`  ${entry.name}`, entry.summary, ...details(entry)]);
  return `${cli.colours.bold(kind)}\n${table(rows)}`;
}

function details(entry: ReturnType<typeof contents>[Kind][number]): readonly string[] {
  if ('bases' in entry) return [entry.aliases.join(', '), life(entry), basesText(entry.bases)];
  return ['optional' in entry && entry.optional ? '(only when named)' : ''];
}

function life({ endOfLife, isAtEndOfLife }: ReturnType<typeof contents>['images'][number]): string {
  if (endOfLife === undefined) return '';
  return isAtEndOfLife ? `ended ${endOfLife}` : `until ${endOfLife}`;
}

function basesText(bases: Readonly<Record<string, readonly string[]>>): string {
  const texts = Object.entries(bases).map(([arch, kinds]) => [arch, kinds.join(', ')] as const);
  const same = new Set(texts.map(([, kinds]) => kinds));
  if (texts.length === 0) return 'bring a base';
  if (same.size === 1) return `${texts.map(([arch]) => arch).join(', ')}: ${[...same].join('')}`;
  return texts.map(([arch, kinds]) => `${arch}: ${kinds}`).join('; ');
}
