import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { didYouMean } from '../config/nearest.ts';
import { type BuildPlan, KibError, parseSize } from '../core/index.ts';
import type { BuildRequest, CacheMode } from '../engine/request.ts';

/** Options of what is kept between builds. */
export interface LayerOptions {
  readonly cache: CacheMode;
  readonly from?: string;
  readonly locked?: boolean;
  readonly lock?: string;
  readonly cacheSize?: number;
}

/** The lock file that is taken when it is there and no other is named. */
const LOCK_FILE = 'kib.lock';

const CACHE_MODES: readonly CacheMode[] = ['auto', 'off', 'strict'];

/** Adds the options that say what of earlier builds may be used. */
export function withLayerOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--cache <mode>',
        'cached layers: start from the deepest that fits and keep new ones, use and keep none, or fail rather than make one',
      )
        .choices(CACHE_MODES)
        .default('auto'),
    )
    .option('--from <recipe>', 'make the layer of this recipe and all after it anew, although they are cached')
    .option('--locked', 'fail when package repositories are not as the lock file says')
    .option('--lock <file>', `lock file of package repositories (default: ${LOCK_FILE}, if it is here)`)
    .option('--cache-size <size>', 'largest size of the layer cache; the least recently used layers go (default: 40GiB)', size);
}

/**
 * What the options ask of every build. Throws KIB_USAGE when they contradict each other, or when a lock file is to be kept to that is not there.
 */
export async function layerRequest(
  options: LayerOptions,
  cwd: string,
): Promise<Pick<BuildRequest, 'cache' | 'from' | 'lock' | 'cacheBytes'>> {
  if (options.from !== undefined && options.cache === 'strict') {
    throw new KibError('KIB_USAGE', '--from makes layers anew, which --cache strict forbids', { hint: 'leave out one of them' });
  }
  const path = options.lock === undefined ? join(cwd, LOCK_FILE) : resolve(cwd, options.lock);
  const isThere = await exists(path);
  if (options.locked === true && !isThere) {
    throw new KibError('KIB_USAGE', `--locked needs a lock file; there is no ${path}`, {
      hint: `build once with --lock ${options.lock ?? LOCK_FILE} to write it`,
    });
  }
  return {
    cache: options.cache,
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.lock === undefined && !isThere ? {} : { lock: { path, locked: options.locked === true } }),
    ...(options.cacheSize === undefined ? {} : { cacheBytes: options.cacheSize }),
  };
}

/** Throws KIB_USAGE unless every plan has the layer. */
export function requireLayer(name: string | undefined, plans: readonly BuildPlan[]): void {
  if (name === undefined) return;
  const wrong = plans.find(({ layers }) => layers.every((layer) => layer.name !== name));
  if (wrong === undefined) return;
  const names = wrong.layers.map((layer) => layer.name);
  throw new KibError('KIB_USAGE', `--from ${name}: ${wrong.name} has no layer of this name`, {
    hint: didYouMean(name, names) ?? `it has ${names.join(', ')}`,
  });
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Want something like 40GiB.');
  return bytes;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
