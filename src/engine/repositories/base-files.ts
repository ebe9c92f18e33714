import { randomUUID } from 'node:crypto';
import { join, posix } from 'node:path';
import { z } from 'zod';
import { type BaseImage, type Context, isKibError, throwIfAborted } from '../../core/index.ts';
import { type ByteSource, FileSource } from '../../io/filesystem/byte-source.ts';
import { UnreadableError } from '../../io/filesystem/file-system.ts';
import { Qcow2Source } from '../../io/filesystem/qcow2.ts';
import { convert } from '../../io/qemu-img.ts';
import { withTemporaryFile } from '../../io/temporary-file.ts';
import { cachePath, readCacheFile, writeCacheFile } from '../cache-file.ts';
import type { GuestFiles } from '../inspect/guest-files.ts';
import { openGuest } from '../inspect/open-guest.ts';

const keptSchema = z.object({
  v: z.literal(1),
  /** Text by path. */
  files: z.record(z.string(), z.string()),
  /** Why the files could not be read. */
  unreadable: z.string().optional(),
});

/** What a base says about its package repositories: the files of apt and dnf, by path. */
export interface BaseFiles {
  readonly files: ReadonlyMap<string, string>;
  /** Why there are none, when the base cannot be read. */
  readonly unreadable?: string;
}

const FILES = ['/etc/os-release', '/etc/apt/sources.list'];
const FOLDERS: readonly (readonly [folder: string, names: RegExp])[] = [
  ['/etc/apt/sources.list.d', /\.(list|sources)$/],
  ['/etc/yum.repos.d', /\.repo$/],
  ['/etc/distro.repos.d', /\.repo$/],
  ['/etc/zypp/repos.d', /\.repo$/],
  ['/etc/dnf/vars', /^\w+$/],
  ['/etc/yum/vars', /^\w+$/],
];
/** A file with mirrors that one of the others names. */
const NAMED = /\bmirror\+file:(?:\/\/)?(\/[^\s\]]+)/g;

/** The files of a base, read from its disk once and then remembered by its digest. */
export async function readBaseFiles(base: BaseImage, context: Context): Promise<BaseFiles> {
  const path = cachePath(context, 'repositories', 'bases', `${base.sha256}.json`);
  const known = await readCacheFile(path, keptSchema);
  if (known !== undefined) return toBaseFiles(known);
  const kept = { v: 1, ...(await readDisk(base, context)) } as const;
  await writeCacheFile(path, kept, context);
  return toBaseFiles(kept);
}

/** The files of an open guest. */
export async function collectFiles(guest: GuestFiles): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const take = async (path: string): Promise<void> => {
    const text = await guest.read(path);
    if (text !== undefined) found[path] = text;
  };
  for (const path of FILES) await take(path);
  for (const [folder, names] of FOLDERS) {
    for (const name of await guest.list(folder)) if (names.test(name)) await take(posix.join(folder, name));
  }
  const named = Object.values(found).flatMap((text) => Array.from(text.matchAll(NAMED), ([, path = '']) => path));
  for (const path of new Set(named)) await take(path);
  return found;
}

async function readDisk(base: BaseImage, context: Context): Promise<{ files: Record<string, string>; unreadable?: string }> {
  try {
    return { files: await withDisk(base, context, async (disk) => collectFiles((await openGuest(disk)).files)) };
  } catch (error) {
    throwIfAborted(context.signal);
    if (isKibError(error) && error.code === 'KIB_INSPECT') return { files: {}, unreadable: error.message };
    throw error;
  }
}

/** Lends the base's disk: as it lies where its format is read here, else a raw copy that is thrown away. */
async function withDisk<T>(base: BaseImage, context: Context, work: (disk: ByteSource) => Promise<T>): Promise<T> {
  const { signal } = context;
  if (base.format === 'raw') {
    await using disk = await FileSource.open(base.path, signal);
    return await work(disk);
  }
  await using qcow2 = base.format === 'qcow2' ? await openQcow2(base.path, signal) : undefined;
  if (qcow2 !== undefined) return await work(qcow2);
  return await withTemporaryFile(join(context.dirs.work, `base-${randomUUID()}.raw`), context, async (copy) => {
    const source = { path: base.path, format: base.format };
    await convert({ source, target: copy, targetFormat: 'raw', signal });
    await using disk = await FileSource.open(copy, signal);
    return await work(disk);
  });
}

async function openQcow2(path: string, signal: AbortSignal): Promise<Qcow2Source | undefined> {
  try {
    return await Qcow2Source.open(path, signal);
  } catch (error) {
    if (error instanceof UnreadableError) return undefined;
    throw error;
  }
}

function toBaseFiles({ files, unreadable }: z.infer<typeof keptSchema>): BaseFiles {
  return { files: new Map(Object.entries(files)), ...(unreadable === undefined ? {} : { unreadable }) };
}
