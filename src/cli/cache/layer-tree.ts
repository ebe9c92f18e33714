import { formatBytes } from '../../core/index.ts';
import type { ListedLayer } from '../../engine/layers/list-layers.ts';
import { table } from '../table.ts';
import { ago } from './age.ts';

/** Layers as trees, one per base, each layer below the one it stands on; the image that made a tree's first layer is its heading. */
export function layerTree(layers: readonly ListedLayer[], now: number): string {
  const keys = new Set(layers.map(({ key }) => key));
  const isRoot = ({ parent }: ListedLayer) => parent === undefined || !keys.has(parent.key);
  const roots = layers.filter(isRoot).toSorted(byImage);
  const rows = roots.flatMap((root) => [{ heading: imageOf(root) }, ...branch(root, layers, 0, now)]);
  // Headings do not widen the columns.
  const cells = table(rows.flatMap((row) => ('cells' in row ? [row.cells] : []))).split('\n');
  let heading: string | undefined;
  return rows
    .flatMap((row) => {
      if ('cells' in row) return [`  ${cells.shift()}`];
      if (row.heading === heading) return [];
      heading = row.heading;
      return [row.heading];
    })
    .join('\n');
}

interface Row {
  readonly cells: readonly string[];
}

function branch(layer: ListedLayer, layers: readonly ListedLayer[], depth: number, now: number): readonly Row[] {
  const above = layers.filter(({ parent }) => parent?.key === layer.key).toSorted((a, b) => b.usedMs - a.usedMs);
  return [{ cells: cellsOf(layer, layers, depth, now) }, ...above.flatMap((next) => branch(next, layers, depth + 1, now))];
}

function cellsOf(layer: ListedLayer, layers: readonly ListedLayer[], depth: number, now: number): readonly string[] {
  const { key, record, bytes, usedMs, isInUse } = layer;
  const parent = layers.find((other) => other.key === layer.parent?.key);
  const notes = [
    isInUse ? 'in use' : '',
    layer.parent !== undefined && parent?.id !== layer.parent.id ? 'stands on nothing' : '',
    record === undefined ? 'cannot be read' : '',
    parent !== undefined && imageOf(parent) !== imageOf(layer) ? imageOf(layer) : '',
  ].filter((note) => note !== '');
  return [
    `${'  '.repeat(depth)}${record?.name ?? '?'}`,
    key.slice(0, 12),
    formatBytes(bytes).padStart(10),
    record?.memory === undefined ? '' : 'memory',
    record === undefined ? '' : `made ${ago(now - record.createdMs)}`,
    `used ${ago(now - usedMs)}`,
    notes.join(', '),
  ];
}

function imageOf({ record }: ListedLayer): string {
  return record?.image ?? 'unknown';
}

function byImage(a: ListedLayer, b: ListedLayer): number {
  return imageOf(a).localeCompare(imageOf(b)) || b.usedMs - a.usedMs;
}
