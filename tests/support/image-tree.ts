import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DiskFormat, MiB } from '../../src/core/index.ts';
import { openGuest } from '../../src/engine/inspect/open-guest.ts';
import { FileSource } from '../../src/io/filesystem/byte-source.ts';
import type { FileSystem, Inode } from '../../src/io/filesystem/file-system.ts';
import { convert } from '../../src/io/qemu-img.ts';

/** What stands at one path of an image. Times and extended attributes are not compared. */
export interface TreeEntry {
  readonly type: Inode['kind'];
  /** Permission bits in octal, `0644`. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Of files: bytes and digest of the content. */
  readonly size?: number;
  readonly sha256?: string;
  /** Of links. */
  readonly target?: string;
}

/** By absolute path, the root itself included. */
export type ImageTree = ReadonlyMap<string, TreeEntry>;

/** A path that two trees do not have in common, or not alike. */
export interface TreeDifference {
  readonly path: string;
  readonly kind: 'only-in-a' | 'only-in-b' | 'differs';
  /** What differs: `mode 0644 → 0600, content`. Empty when one side has nothing. */
  readonly detail: string;
}

/** A tree with the text of some of its files, for what a digest does not tell. */
export interface ImageFiles {
  readonly tree: ImageTree;
  readonly texts: ReadonlyMap<string, string>;
}

/** Whether the text of the file at this path is asked for. */
export type Wanted = (path: string) => boolean;

const CHUNK = 16 * MiB;

/**
 * All files of an image's ext4 or XFS file systems, as its fstab puts them together; an EFI system partition is left out. Reads the disk
 * offline, by way of a sparse raw copy in the folder for temporary files. Throws when a file system was not unmounted cleanly.
 */
export async function readImageTree(path: string, format: DiskFormat, signal: AbortSignal): Promise<ImageTree> {
  return (await readImage(path, format, () => false, signal)).tree;
}

/** The tree and the text of those files of it that are wanted; see readImageTree. */
export async function readImage(path: string, format: DiskFormat, wanted: Wanted, signal: AbortSignal): Promise<ImageFiles> {
  if (format === 'raw') return readRaw(path, wanted, signal);
  const folder = await mkdtemp(join(tmpdir(), 'kib-tree-'));
  try {
    const target = join(folder, 'disk.raw');
    await convert({ source: { path, format }, target, targetFormat: 'raw', signal });
    return await readRaw(target, wanted, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every path that is not the same in both, sorted. */
export function diffTrees(a: ImageTree, b: ImageTree): readonly TreeDifference[] {
  return [...new Set([...a.keys(), ...b.keys()])].sort().flatMap((path): readonly TreeDifference[] => {
    const [left, right] = [a.get(path), b.get(path)];
    if (left === undefined) return [{ path, kind: 'only-in-b', detail: '' }];
    if (right === undefined) return [{ path, kind: 'only-in-a', detail: '' }];
    const detail = differences(left, right).join(', ');
    return detail === '' ? [] : [{ path, kind: 'differs', detail }];
  });
}

function differences(a: TreeEntry, b: TreeEntry): readonly string[] {
  const plain = (['type', 'mode', 'uid', 'gid', 'target'] as const).flatMap((key) =>
    a[key] === b[key] ? [] : [`${key} ${a[key] ?? 'none'} → ${b[key] ?? 'none'}`],
  );
  if (a.sha256 === b.sha256) return plain;
  return [...plain, a.size === b.size ? 'content' : `content (${a.size ?? 'no'} → ${b.size ?? 'no'} bytes)`];
}

async function readRaw(path: string, wanted: Wanted, signal: AbortSignal): Promise<ImageFiles> {
  await using disk = await FileSource.open(path, signal);
  const { mounts } = await openGuest(disk);
  const tree = new Map<string, TreeEntry>();
  const texts = new Map<string, string>();
  const points = new Set(mounts.map(({ at }) => at));
  for (const { at, fileSystem } of mounts) {
    if (fileSystem.unclean !== undefined) throw new Error(`${path}: ${at} cannot be trusted: ${fileSystem.unclean}`);
    const walk = async (number: number, path: string): Promise<void> => {
      const inode = await fileSystem.inode(number);
      tree.set(path, await entryOf(fileSystem, inode));
      if (inode.kind === 'file' && wanted(path)) texts.set(path, (await fileSystem.read(inode)).toString('utf8'));
      if (inode.kind !== 'directory') return;
      for (const { name, inode: below } of await fileSystem.list(inode)) {
        const child = `${path === '/' ? '' : path}/${name}`;
        // What another file system is mounted over cannot be seen.
        if (!points.has(child)) await walk(below, child);
      }
    };
    await walk(fileSystem.root, at);
  }
  return { tree, texts };
}

async function entryOf(fileSystem: FileSystem, inode: Inode): Promise<TreeEntry> {
  const { kind: type, uid, gid, bytes: size } = inode;
  const entry: TreeEntry = { type, mode: inode.mode.toString(8).padStart(4, '0'), uid, gid };
  if (type === 'symlink') return { ...entry, target: (await fileSystem.read(inode)).toString('utf8') };
  if (type !== 'file') return entry;
  const hash = createHash('sha256');
  for (let offset = 0; offset < size; offset += CHUNK) {
    hash.update(await fileSystem.read(inode, { offset, length: Math.min(CHUNK, size - offset) }));
  }
  return { ...entry, size, sha256: hash.digest('hex') };
}
