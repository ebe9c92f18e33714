import { formatBytes } from '../../core/index.ts';
import type { PruneReport } from '../../engine/layers/prune.ts';
import type { PrunedFile } from '../../engine/prune-files.ts';
import { table } from '../table.ts';

/** What was removed, or would be. Packages are many, so that they are told as one. */
export function pruneText(layers: PruneReport, files: readonly PrunedFile[], isDryRun: boolean): string {
  const packages = files.filter(({ path }) => path.startsWith('packages/'));
  const rows = [
    ...layers.removed.map(({ key, name, image, bytes, reason }) => [
      size(bytes),
      `layer ${name ?? '?'} ${key.slice(0, 12)}`,
      `${image ?? 'unknown'}${reason === 'orphan' ? ', stood on nothing' : ''}`,
    ]),
    ...files.filter((file) => !packages.includes(file)).map(({ path, bytes }) => [size(bytes), path, '']),
    ...(packages.length === 0 ? [] : [[size(sum(packages)), `${packages.length} files in packages`, '']]),
  ];
  const freed = formatBytes(sum(layers.removed) + sum(files));
  const left = `layers take ${formatBytes(layers.bytesAfter)}`;
  if (rows.length === 0) return `nothing to remove; ${left}`;
  return [table(rows), isDryRun ? `${freed} would be free; then ${left}` : `${freed} are free now; ${left}`].join('\n');
}

function sum(items: readonly { readonly bytes: number }[]): number {
  return items.reduce((total, { bytes }) => total + bytes, 0);
}

function size(bytes: number): string {
  return formatBytes(bytes).padStart(10);
}
