import type { GuestFiles } from '../../src/engine/inspect/guest-files.ts';

/** A guest's files from a map of path to text; folders exist because something is in them, or as `path/` with no text. */
export function memoryFiles(tree: Readonly<Record<string, string>>): GuestFiles {
  const names = (directory: string): readonly string[] => {
    const prefix = directory === '/' ? '/' : `${directory}/`;
    const below = Object.keys(tree).filter((path) => path.startsWith(prefix) && path !== prefix);
    return [...new Set(below.map((path) => path.slice(prefix.length).split('/')[0] ?? ''))].sort();
  };
  return {
    list: (directory) => Promise.resolve(names(directory)),
    read: (path) => Promise.resolve(tree[path]),
    stat: (path) => {
      const text = tree[path];
      const isDirectory = text === undefined && (`${path}/` in tree || names(path).length > 0);
      if (text === undefined && !isDirectory) return Promise.resolve(undefined);
      const kind = isDirectory ? 'directory' : 'file';
      return Promise.resolve({ kind, mode: 0o644, uid: 0, gid: 0, bytes: Buffer.byteLength(text ?? '') });
    },
  };
}
