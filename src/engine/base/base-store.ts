import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type BaseImage, type BaseSource, type Context, systemCode } from '../../core/index.ts';
import { fileStamp } from '../../io/file-stamp.ts';
import { hashFile } from '../../io/hash.ts';
import { markUsed } from '../../io/use-mark.ts';

const recordSchema = z.object({
  v: z.literal(1),
  key: z.string(),
  /** Digest of what was asked for, the state of the archive apart. */
  request: z.string(),
  /** Milliseconds since the epoch. */
  created: z.number(),
  sha256: z.string(),
  bytes: z.number(),
  facts: z.record(z.string(), z.string()),
});

/** base.json: what is known of the disk.qcow2 beside it. */
export type BaseRecord = z.infer<typeof recordSchema>;

const DISK = 'disk.qcow2';
const RECORD = 'base.json';
/** Its modification time is when the base was last used. */
const STAMP = 'stamp';

export function basesDir(cacheDir: string): string {
  return join(cacheDir, 'bases');
}

/**
 * The base with that key, or undefined. Its digest is trusted as long as the file is untouched since it was computed: reading half a gigabyte
 * at every build would only find what the disk itself did to it. A touched file is read again, and thrown away when it is another one.
 */
export async function findBase(key: string, source: BaseSource, context: Context): Promise<StoredBase | undefined> {
  const dir = join(basesDir(context.dirs.cache), key);
  const record = await readRecord(dir);
  if (record === undefined) return undefined;
  const path = join(dir, DISK);
  const stamp = await fileStamp(path);
  if (stamp === undefined) return undefined;
  if (stamp !== (await readText(join(dir, STAMP)))) {
    context.span.note('checking the cached base');
    const { digests } = await hashFile(path, 'sha256', { signal: context.signal });
    if (digests.sha256 !== record.sha256) {
      context.span.warn('KIB_DIGEST_MISMATCH', `${path} is not what was stored; assembling it again`);
      await rm(dir, { recursive: true, force: true });
      return undefined;
    }
    await writeFile(join(dir, STAMP), stamp);
  }
  await markUsed(join(dir, STAMP), context.clock);
  return { record, image: toImage(record, path, source) };
}

export interface StoredBase {
  readonly record: BaseRecord;
  readonly image: BaseImage;
}

/** The newest base made for the same request, whatever the archive held then. */
export async function newestBase(request: string, source: BaseSource, context: Context): Promise<StoredBase | undefined> {
  const dir = basesDir(context.dirs.cache);
  const records = await Promise.all((await listDir(dir)).map((name) => readRecord(join(dir, name))));
  const fitting = records.flatMap((record) => (record?.request === request ? [record] : []));
  for (const record of fitting.sort((a, b) => b.created - a.created)) {
    const found = await findBase(record.key, source, context);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Puts a finished disk, made as `disk.qcow2` in the folder `staging`, into its place. The folder appears complete or not at all; `staging` lies
 * in `basesDir`, so that this is a rename.
 */
export async function publishBase(staging: string, record: BaseRecord, source: BaseSource, context: Context): Promise<BaseImage> {
  const dir = join(basesDir(context.dirs.cache), record.key);
  await writeFile(join(staging, RECORD), `${JSON.stringify(record, undefined, 2)}\n`);
  // A folder without a valid record may stand there.
  await rm(dir, { recursive: true, force: true });
  await rename(staging, dir);
  await writeFile(join(dir, STAMP), (await fileStamp(join(dir, DISK))) ?? '');
  return toImage(record, join(dir, DISK), source);
}

function toImage(record: BaseRecord, path: string, source: BaseSource): BaseImage {
  return { source, path, format: 'qcow2', sha256: record.sha256, bytes: record.bytes, facts: record.facts };
}

async function readRecord(dir: string): Promise<BaseRecord | undefined> {
  const text = await readText(join(dir, RECORD));
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    // Written by another version, or damaged: as good as none.
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function listDir(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
