import { readFile, rename, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import {
  type BaseImage,
  type BuildPlan,
  type Context,
  canonicalJson,
  errorMessage,
  KibError,
  maskUrl,
  type Requirement,
  systemCode,
} from '../../core/index.ts';
import { withFileLock } from '../../io/file-lock.ts';
import { diskError } from '../../io/http-error.ts';
import { withTemporaryFile } from '../../io/temporary-file.ts';

const digests = z.record(z.string(), z.string());
const imageSchema = z.object({ base: z.string(), repositories: digests, requirements: digests });
const lockSchema = z.object({ v: z.literal(1), images: z.record(z.string(), imageSchema) });

/** kib.lock: for each image by its full name what it was made of, each thing by hex SHA-256, so that a review sees what changes. */
export type LockFile = z.infer<typeof lockSchema>;
type LockedImage = z.infer<typeof imageSchema>;

/**
 * With `locked`, makes sure that the image is made of what the lock file says: throws KIB_LOCK_DRIFT with every difference. Without it, writes
 * down what it is made of, leaving other images of the file as they are; builds at the same time may write to the same file. The digests of the
 * plan's requirements are known (resolveDigests).
 */
export async function applyLock(
  plan: Pick<BuildPlan, 'name' | 'requirements'>,
  base: Pick<BaseImage, 'sha256'>,
  repositories: readonly { readonly url: string; readonly sha256: string }[],
  { path, locked }: { readonly path: string; readonly locked: boolean },
  context: Context,
): Promise<void> {
  const image: LockedImage = {
    base: base.sha256,
    repositories: Object.fromEntries(repositories.map(({ url, sha256 }) => [url, sha256])),
    requirements: Object.fromEntries(plan.requirements.map((requirement) => [nameOf(requirement), digestOf(requirement)])),
  };
  const known = (await readLock(path))?.images[plan.name];
  if (locked) requireSame(path, plan.name, known, image);
  else if (canonicalJson(known) !== canonicalJson(image)) await writeImage(path, plan.name, image, context);
}

/** The lock file; undefined when there is none. Throws KIB_LOCK_DRIFT for one that cannot be understood. */
async function readLock(path: string): Promise<LockFile | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new KibError('KIB_HOST_PERMISSION', `cannot read ${path}: ${errorMessage(error)}`, {
      hint: 'make the lock file readable',
      cause: error,
    });
  });
  if (text === undefined) return undefined;
  try {
    return lockSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new KibError('KIB_LOCK_DRIFT', `${path} is not a lock file of this version of kib-native`, {
      hint: `remove it and build with --lock to write it anew (after a merge conflict: take either side)`,
      cause: error,
    });
  }
}

function requireSame(path: string, name: string, known: LockedImage | undefined, image: LockedImage): void {
  if (known === undefined) {
    throw new KibError('KIB_LOCK_DRIFT', `${path} says nothing about ${name}`, {
      hint: 'build with --lock instead of --locked, and commit the lock file',
      details: { lock: path, image: name },
    });
  }
  const drift = differences(known, image);
  if (drift.length === 0) return;
  const what = drift.length === 1 ? 'something is' : `${drift.length} things are`;
  const lines = drift.map((line) => `  ${line}`).join('\n');
  throw new KibError('KIB_LOCK_DRIFT', `${name}: ${what} not as ${path} says:\n${lines}`, {
    hint: 'to take up what changed, build with --lock instead of --locked and commit the lock file',
    details: { lock: path, image: name, drift },
  });
}

function differences(known: LockedImage, image: LockedImage): readonly string[] {
  const compare = (what: string, wanted: Readonly<Record<string, string>>, found: Readonly<Record<string, string>>) =>
    [...new Set([...Object.keys(wanted), ...Object.keys(found)])].sort().flatMap((name) => {
      const [want, got] = [wanted[name], found[name]];
      if (want === got) return [];
      return [`${what} ${name}: want ${want ?? 'none'}, got ${got ?? 'none'}`];
    });
  return [
    ...(known.base === image.base ? [] : [`base image: want ${known.base}, got ${image.base}`]),
    ...compare('package repository', known.repositories, image.repositories),
    ...compare('download', known.requirements, image.requirements),
  ];
}

async function writeImage(path: string, name: string, image: LockedImage, context: Context): Promise<void> {
  try {
    await withFileLock(path, context, async () => {
      // Read again, now that nobody else writes.
      const images = { ...(await readLock(path))?.images, [name]: image };
      const sorted = JSON.parse(canonicalJson(images)) as LockFile['images'];
      const text = JSON.stringify({ v: 1, images: sorted } satisfies LockFile, undefined, 2);
      await withTemporaryFile(`${path}.${context.buildId}`, context, async (part) => {
        await writeFile(part, `${text}\n`);
        await rename(part, path);
      });
    });
  } catch (error) {
    throw diskError(error, path);
  }
}

function digestOf({ url, sha256, sha512, why }: Requirement): string {
  const digest = sha256 ?? sha512;
  if (digest !== undefined) return digest;
  throw new KibError('KIB_CHECKSUM_MISSING', `the digest of ${maskUrl(url)} is not known (${why}), so it cannot be locked`);
}

/** The URL, without what may be a secret; for a file of a host what it is for, since its path is another one elsewhere. */
function nameOf({ url, why }: Requirement): string {
  return url.startsWith('file:') ? `${basename(fileURLToPath(url))} (${why})` : maskUrl(url);
}
