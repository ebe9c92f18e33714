import type { QemuOptions } from './options.ts';

/** Options of a block node, as blockdev-add takes them (QEMU QMP Reference Manual, BlockdevOptions). */
export type BlockNode = Readonly<Record<string, string | boolean | null | Readonly<Record<string, boolean>>>>;

/** The disk that a machine writes to, or wrote to before a freeze. */
export interface DiskNode {
  readonly node: string;
  /** qcow2 file. */
  readonly path: string;
  /** Node of its backing file; null for none yet. Without it QEMU opens what the file names. */
  readonly backing?: string | null;
  readonly isReadOnly?: boolean;
}

/** The nodes of a disk: its file, and the qcow2 image in it. */
export function diskNodes(disk: DiskNode, { cache, discard }: Pick<QemuOptions, 'cache' | 'discard'>): readonly BlockNode[] {
  const modes: Record<QemuOptions['cache'], BlockNode> = {
    unsafe: { cache: { 'no-flush': true } },
    writeback: {},
    none: { cache: { direct: true } },
  };
  const common = {
    ...modes[cache],
    ...(discard ? { discard: 'unmap' } : {}),
    ...(disk.isReadOnly === true ? { 'read-only': true } : {}),
  };
  return [
    { driver: 'file', 'node-name': `${disk.node}-file`, filename: disk.path, ...common },
    {
      driver: 'qcow2',
      'node-name': disk.node,
      file: `${disk.node}-file`,
      ...(disk.backing === undefined ? {} : { backing: disk.backing }),
      ...common,
      // Zeroes the guest writes need no room either.
      ...(discard ? { 'detect-zeroes': 'unmap' } : {}),
    },
  ];
}

/** The nodes of an image that is attached as it is. */
export function imageNodes(node: string, format: string, path: string, isReadOnly: boolean): readonly BlockNode[] {
  const common = isReadOnly ? { 'read-only': true } : {};
  return [
    { driver: 'file', 'node-name': `${node}-file`, filename: path, ...common },
    { driver: format, 'node-name': node, file: `${node}-file`, ...common },
  ];
}

/** The same for the command line. */
export function blockdevArgs(nodes: readonly BlockNode[]): readonly string[] {
  return nodes.flatMap((node) => ['-blockdev', Object.entries(node).flatMap(property).join(',')]);
}

/** In QEMU's option strings a comma within a value is doubled (qemu(1), -drive). */
export function escapeValue(value: string): string {
  return value.replaceAll(',', ',,');
}

function property([key, value]: readonly [string, BlockNode[string]]): readonly string[] {
  if (typeof value === 'string') return [`${key}=${escapeValue(value)}`];
  if (typeof value === 'boolean') return [`${key}=${value ? 'on' : 'off'}`];
  return Object.entries(value ?? {}).flatMap(([inner, flag]) => property([`${key}.${inner}`, flag]));
}
