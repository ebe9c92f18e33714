import { posix } from 'node:path';
import { z } from 'zod';
import { type BaseImage, type Context, isKibError, throwIfAborted } from '../../core/index.ts';
import { cachePath, readCacheFile, writeCacheFile } from '../cache-file.ts';
import type { GuestFiles } from '../inspect/guest-files.ts';
import { type OpenGuest, openGuest } from '../inspect/open-guest.ts';
import { withBaseDisk } from './open-base.ts';
import { lackedForCredentials } from './takes-credentials.ts';

const keptSchema = z.object({
  /** Raised whenever this or lackedForCredentials looks at other things. */
  v: z.literal(2),
  /** Text by path. */
  files: z.record(z.string(), z.string()),
  /** Why the files could not be read. */
  unreadable: z.string().optional(),
  /** See BaseFiles; null when nothing is lacking. */
  lacked: z.string().nullable(),
});

/** What the files of a base tell before it is booted. */
export interface BaseFiles {
  /** What they say about its package repositories: the files of apt and dnf, by path. */
  readonly files: ReadonlyMap<string, string>;
  /** Why there are none, when the base cannot be read. */
  readonly unreadable?: string;
  /** What it lacks to be logged in to by system credentials; undefined when nothing. */
  readonly lacked?: string;
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
const UNREADABLE = 'files that can be read here';
/** A file with mirrors that one of the others names. */
const NAMED = /\bmirror\+file:(?:\/\/)?(\/[^\s\]]+)/g;

/** The files of a base, read from its disk once and then remembered by its digest. */
export async function readBaseFiles(base: BaseImage, context: Context): Promise<BaseFiles> {
  const path = cachePath(context, 'repositories', 'bases', `${base.sha256}.json`);
  const known = await readCacheFile(path, keptSchema);
  if (known !== undefined) return toBaseFiles(known);
  const kept = { v: 2, ...(await readDisk(base, context)) } as const;
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

type Kept = Omit<z.infer<typeof keptSchema>, 'v'>;

async function readDisk(base: BaseImage, context: Context): Promise<Kept> {
  try {
    return await withBaseDisk(base, context, async (disk) => {
      const guest = await openGuest(disk);
      return { files: await collectFiles(guest.files), lacked: await lackedIn(guest) };
    });
  } catch (error) {
    throwIfAborted(context.signal);
    if (!isKibError(error) || error.code !== 'KIB_INSPECT') throw error;
    return { files: {}, unreadable: error.message, lacked: UNREADABLE };
  }
}

/** What cannot be read must not hide what can. */
async function lackedIn(guest: OpenGuest): Promise<string | null> {
  try {
    return (await lackedForCredentials(guest)) ?? null;
  } catch (error) {
    if (!isKibError(error) || error.code !== 'KIB_INSPECT') throw error;
    return UNREADABLE;
  }
}

function toBaseFiles({ files, unreadable, lacked }: Kept): BaseFiles {
  return {
    files: new Map(Object.entries(files)),
    ...(unreadable === undefined ? {} : { unreadable }),
    ...(lacked === null ? {} : { lacked }),
  };
}
