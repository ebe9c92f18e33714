import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import type { Context } from '../core/index.ts';
import { diskError } from '../io/http-error.ts';
import { ifThere } from '../io/if-there.ts';
import { withTemporaryFile } from '../io/temporary-file.ts';

/** A path in the folder that builds share. */
export function cachePath({ dirs }: Pick<Context, 'dirs'>, ...parts: readonly string[]): string {
  return join(dirs.cache, ...parts);
}

/** The value in a JSON file; undefined when there is none that fits the schema, as one that another version wrote. */
export async function readCacheFile<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await ifThere(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Writes the file as a whole or not at all, for this user alone: addresses of repositories may hold a login. */
export async function writeCacheFile(path: string, value: unknown, context: Context): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await withTemporaryFile(`${path}.${context.buildId}`, context, async (part) => {
      await writeFile(part, JSON.stringify(value), { mode: 0o600 });
      await chmod(part, 0o600);
      await rename(part, path);
    });
  } catch (error) {
    throw diskError(error, path);
  }
}
