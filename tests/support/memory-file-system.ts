import type { FileSystem, Inode } from '../../src/io/filesystem/file-system.ts';

/** A node is a folder, a file's text, or a link's target. */
export type Node = { readonly [name: string]: Node } | string | { readonly link: string };

/** A file system in memory; inode numbers are given in the order of a walk, the root is 1. */
export function memoryFileSystem(root: Node): FileSystem {
  const nodes: Node[] = [];
  const children = new Map<number, { name: string; inode: number }[]>();
  const add = (node: Node): number => {
    const number = nodes.push(node);
    if (kindOf(node) !== 'directory') return number;
    children.set(
      number,
      Object.entries(node as Record<string, Node>).map(([name, child]) => ({ name, inode: add(child) })),
    );
    return number;
  };
  add(root);
  const at = (number: number): Node => nodes[number - 1] ?? '';
  const text = (number: number): string => {
    const node = at(number);
    if (typeof node === 'string') return node;
    return isLink(node) ? node.link : '';
  };
  return {
    type: 'ext4',
    uuid: '',
    label: '',
    unclean: undefined,
    root: 1,
    inode: (number) => {
      const inode: Inode = {
        number,
        kind: kindOf(at(number)),
        mode: 0o644,
        uid: 0,
        gid: 0,
        bytes: Buffer.byteLength(text(number)),
      };
      return Promise.resolve(inode);
    },
    list: ({ number }) => Promise.resolve(children.get(number) ?? []),
    read: ({ number }) => Promise.resolve(Buffer.from(text(number))),
  };
}

function isLink(node: Node): node is { readonly link: string } {
  return typeof node === 'object' && typeof node['link'] === 'string';
}

function kindOf(node: Node): 'file' | 'symlink' | 'directory' {
  if (typeof node === 'string') return 'file';
  return isLink(node) ? 'symlink' : 'directory';
}
