import type { CacheWhy, WhyLayer } from '../../engine/cache-why.ts';
import { describeMiss, type Miss } from '../../engine/layers/miss.ts';
import { problemText } from '../../engine/layers/problem.ts';
import type { Cli } from '../cli.ts';
import { table } from '../table.ts';
import { ago } from './age.ts';

type Colours = Pick<Cli['colours'], 'bold' | 'green' | 'red' | 'dim'>;

/** What the cache has for an image, layer by layer, then why the first missing one is not there. */
export function whyText({ image, layers, miss }: CacheWhy, now: number, colours: Colours): string {
  const rows = table(layers.map((layer) => [layer.name, layer.key.slice(0, 12), state(layer, now)])).split('\n');
  const marked = rows.map((row, index) =>
    layers[index]?.isHit === true ? `  ${colours.green('hit ')}  ${row}` : `  ${colours.red('miss')}  ${row}`,
  );
  return [colours.bold(image), ...marked, '', ...verdict(layers, miss, colours)].join('\n');
}

function state({ isHit, record, problem }: WhyLayer, now: number): string {
  if (problem !== undefined) return `${problem.kind}: ${problemText(problem)}`;
  if (!isHit || record === undefined) return '';
  return `made ${ago(now - record.createdMs)}${record.memory === undefined ? '' : ', with memory'}`;
}

function verdict(layers: readonly WhyLayer[], miss: CacheWhy['miss'], colours: Colours): readonly string[] {
  const last = layers.at(-1)?.name;
  if (miss === undefined) return [`Every layer is cached: a build goes on after ${last}.`];
  const first = layers.find((layer) => !layer.isHit);
  const [reason = '', ...diff] =
    first?.problem === undefined ? describeMiss(miss.miss) : ['what is in the cache cannot be used; a build removes it'];
  return [`${miss.layer}: ${reason}${comparedWith(miss.miss, first)}`, ...diff.map((line) => `  ${coloured(line, colours)}`)];
}

function comparedWith(miss: Miss, first: WhyLayer | undefined): string {
  if (first?.problem !== undefined) return '';
  return miss.kind === 'input' || miss.kind === 'parent' ? `, compared with layer ${miss.layer.slice(0, 12)}` : '';
}

function coloured(line: string, { green, red, dim }: Colours): string {
  if (line.startsWith('- ')) return red(line);
  return line.startsWith('+ ') ? green(line) : dim(line);
}
