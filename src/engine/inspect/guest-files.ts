import { posix } from 'node:path';
import { errorMessage, isKibError, KibError } from '../../core/index.ts';
import type { FileSystem, Inode } from '../../io/filesystem/file-system.ts';

type FileStat = Pick<Inode, 'kind' | 'mode' | 'uid' | 'gid' | 'bytes'>;

/**
 * The files of a guest that is not running. Paths are absolute; links are followed inside the guest, never on this host. What does not
 * exist is undefined or an empty list; what exists but cannot be read is KIB_INSPECT.
 */
export interface GuestFiles {
  /** Sorted names in a directory; none when it is missing or not a directory. */
  list(directory: string): Promise<readonly string[]>;
  /** Text of a file; undefined when it is missing or not a file. */
  read(path: string): Promise<string | undefined>;
  /** Of what the path leads to; undefined when it is missing or a link that leads nowhere. */
  stat(path: string): Promise<FileStat | undefined>;
}

/** A file system and the directory of the guest it is mounted on. */
export interface Mount {
  readonly at: string;
  readonly fileSystem: FileSystem;
}

interface Place {
  readonly fileSystem: FileSystem;
  readonly inode: Inode;
  /** Path without links, which is what mount points are compared with. */
  readonly path: string;
}

// As many as Linux follows (path_resolution(7)).
const MAX_LINKS = 40;

/** The guest's tree of files, put together from its file systems; one must be mounted on `/`. */
export function mountFiles(mounts: readonly Mount[]): GuestFiles {
  return {
    list: (directory) =>
      guarded(directory, async () => {
        const place = await find(mounts, directory);
        if (place?.inode.kind !== 'directory') return [];
        return (await place.fileSystem.list(place.inode)).map((entry) => entry.name).sort();
      }),
    read: (path) =>
      guarded(path, async () => {
        const place = await find(mounts, path);
        if (place?.inode.kind !== 'file') return undefined;
        return (await place.fileSystem.read(place.inode)).toString('utf8');
      }),
    stat: (path) =>
      guarded(path, async () => {
        const place = await find(mounts, path);
        if (place === undefined) return undefined;
        const { kind, mode, uid, gid, bytes } = place.inode;
        return { kind, mode, uid, gid, bytes };
      }),
  };
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isKibError(error)) throw error;
    throw new KibError('KIB_INSPECT', `${path} of the finished disk cannot be read: ${errorMessage(error)}`, {
      hint: 'the file system may be damaged: run fsck on the partition of a raw export, then build again',
      cause: error,
    });
  }
}

async function find(mounts: readonly Mount[], path: string): Promise<Place | undefined> {
  let place = await mounted(mounts, '/');
  let rest = parts(path);
  let links = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (place?.inode.kind !== 'directory') return undefined;
    const target = await step(mounts, place, name);
    if (target?.inode.kind !== 'symlink') {
      place = target;
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    const link = (await target.fileSystem.read(target.inode)).toString('utf8');
    rest = [...parts(link), ...rest];
    if (link.startsWith('/')) place = await mounted(mounts, '/');
  }
  return place;
}

async function step(mounts: readonly Mount[], from: Place, name: string): Promise<Place | undefined> {
  // From the top again for `..`, which may lead out of a mount.
  if (name === '..') return find(mounts, posix.dirname(from.path));
  const path = posix.join(from.path, name);
  const mount = await mounted(mounts, path);
  if (mount !== undefined) return mount;
  const entry = (await from.fileSystem.list(from.inode)).find((entry) => entry.name === name);
  if (entry === undefined) return undefined;
  return { fileSystem: from.fileSystem, inode: await from.fileSystem.inode(entry.inode), path };
}

async function mounted(mounts: readonly Mount[], path: string): Promise<Place | undefined> {
  const mount = mounts.find(({ at }) => at === path);
  if (mount === undefined) return undefined;
  return { fileSystem: mount.fileSystem, inode: await mount.fileSystem.inode(mount.fileSystem.root), path };
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
