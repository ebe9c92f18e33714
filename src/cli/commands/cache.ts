import { Command, InvalidArgumentError, Option } from 'commander';
import { KibError, parseSize, systemClock } from '../../core/index.ts';
import { networkFromEnv } from '../../io/network.ts';
import { parseAge } from '../cache/age.ts';
import { listEntries, listText } from '../cache/list.ts';
import { pruneText } from '../cache/prune-text.ts';
import { verifyText } from '../cache/verify-text.ts';
import { whyText } from '../cache/why-text.ts';
import type { Cli } from '../cli.ts';
import { configureImages, type ImageOptions, withImageOptions } from '../image-options.ts';
import { cacheHome, stateHome } from '../io.ts';
import { planAll } from '../plans.ts';

interface JsonOption {
  readonly json?: boolean;
}

interface PruneOptions extends JsonOption {
  readonly max?: number;
  readonly olderThan: number;
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

const OLDER_THAN = '30d';

export function cacheCommand(cli: Cli): Command {
  const cache = new Command('cache').description('what is kept between builds');
  cache
    .command('ls', { isDefault: true })
    .description('list layers as trees, then downloads, bases, packages and kept machines')
    .option('--json', 'as JSON')
    .action((options: JsonOption) => list(cli, options));
  cache.addCommand(
    withImageOptions(
      new Command('why').description('say which layers of an image are cached, and why the first missing one is not'),
    )
      .option('--json', 'as JSON')
      .addHelpText('after', '\nLooks as a build would: a base or checksum file that is not here yet is fetched first.')
      .action((targets: readonly string[], options: ImageOptions & JsonOption) => why(cli, targets, options)),
  );
  cache
    .command('prune')
    .description('remove the least recently used layers, and what was not used for long')
    .option('--max <size>', 'largest size of all layers (default: 40GiB)', size)
    .addOption(
      new Option('--older-than <age>', 'downloads, bases, packages and kept machines go that were not used for so long')
        .argParser(age)
        .default(parseAge(OLDER_THAN), OLDER_THAN),
    )
    .addOption(new Option('--all', 'remove all that no running build uses').conflicts('max'))
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'the report as JSON')
    .action((options: PruneOptions) => prune(cli, options));
  cache
    .command('verify')
    .description('read every layer and compare it with what was stored')
    .option('--repair', 'remove what is not right; builds make it again')
    .option('--json', 'the report as JSON')
    .action((options: JsonOption & { readonly repair?: boolean }) => verify(cli, options));
  return cache;
}

async function list(cli: Cli, { json }: JsonOption): Promise<void> {
  const { listLayers } = await import('../../engine/layers/list-layers.ts');
  const dir = cacheHome(cli.io.env);
  const layers = await listLayers(dir, cli.io.signal);
  const entries = await listEntries(dir);
  if (json === true) cli.printJson({ dir, layers, entries });
  else cli.print(listText(dir, layers, entries, systemClock.now()));
}

async function why(cli: Cli, targets: readonly string[], options: ImageOptions & JsonOption): Promise<void> {
  const { startWhy } = await import('../../engine/cache-why.ts');
  const { env, signal } = cli.io;
  const found = [];
  for (const { image } of planAll(await configureImages(cli, targets, options))) {
    const homes = { stateHome: stateHome(env), cacheHome: cacheHome(env) };
    const looking = startWhy({ image: image.image, ...homes, network: networkFromEnv(env) }, signal);
    looking.subscribe((event) => {
      if (event.type === 'warning') cli.say(`warning ${event.message}`);
    });
    found.push(await looking.result);
  }
  if (options.json === true) cli.printJson(found.length === 1 ? found[0] : found);
  else cli.print(found.map((one) => whyText(one, systemClock.now(), cli.colours)).join('\n\n'));
}

async function prune(cli: Cli, { max, olderThan, all, dryRun = false, json }: PruneOptions): Promise<void> {
  const [{ pruneLayers }, { pruneFiles }, { DEFAULT_CACHE_BYTES }] = await Promise.all([
    import('../../engine/layers/prune.ts'),
    import('../../engine/prune-files.ts'),
    import('../../engine/layers/prune-after-build.ts'),
  ]);
  const common = { cacheDir: cacheHome(cli.io.env), signal: cli.io.signal, clock: systemClock, dryRun };
  const layers = await pruneLayers({ ...common, maxBytes: all === true ? 0 : (max ?? DEFAULT_CACHE_BYTES) });
  // Layers first: a base may go with the last one that stands on it.
  const withoutLayers = layers.removed.map(({ key }) => key);
  const files = await pruneFiles({ ...common, olderThanMs: all === true ? 0 : olderThan, withoutLayers });
  if (json === true) cli.printJson({ layers, files });
  else cli.print(pruneText(layers, files, dryRun));
}

async function verify(cli: Cli, { repair = false, json }: JsonOption & { readonly repair?: boolean }): Promise<void> {
  const { verifyLayers } = await import('../../engine/layers/verify-layers.ts');
  const onRead = (path: string) => {
    if (cli.io.stderr.isTTY === true) cli.say(`reading ${path}`);
  };
  const layers = await verifyLayers({ cacheDir: cacheHome(cli.io.env), signal: cli.io.signal, repair, onRead });
  if (json === true) cli.printJson(layers);
  else cli.print(verifyText(layers));
  const bad = layers.filter(({ status, isRemoved }) => status !== 'ok' && !isRemoved);
  if (bad.length === 0) return;
  throw new KibError('KIB_DIGEST_MISMATCH', `${bad.length} of ${layers.length} layers are not what was stored`, {
    hint: 'kib-native cache verify --repair removes them; builds make them again',
  });
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Want something like 20GiB.');
  return bytes;
}

function age(text: string): number {
  const ms = parseAge(text);
  if (ms === undefined) throw new InvalidArgumentError('Want something like 30d, 12h or 2w.');
  return ms;
}
