/** What every inode has. Times are whole seconds since the epoch. */
interface Inode {
  /** Permission bits with set-id and sticky, 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

/** One name in a file tree that exists apart from any file system of the host: owners and modes need no privilege. */
export type TreeEntry = Inode &
  (
    | {
        readonly kind: 'file';
        /** Host file with the content. */
        readonly source: string;
        readonly xattrs?: ReadonlyMap<string, Uint8Array>;
      }
    | { readonly kind: 'directory' }
    | { readonly kind: 'symlink'; readonly target: string }
    /** Another name of the file at `target`, an absolute path of the tree. */
    | { readonly kind: 'hardlink'; readonly target: string }
    | { readonly kind: 'device'; readonly type: 'b' | 'c'; readonly major: number; readonly minor: number }
    | { readonly kind: 'fifo' }
  );

/** Absolute paths, `/etc/fstab`, to what is there; `/` itself may be among them. */
export type Tree = Map<string, TreeEntry>;

/** Paths of a tree in one order for every host, each folder before what it holds. */
export function sortedPaths(tree: ReadonlyMap<string, TreeEntry>): readonly string[] {
  return [...tree.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
