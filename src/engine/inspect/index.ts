import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  type Artifact,
  type CheckResult,
  type Clock,
  type Context,
  errorMessage,
  isKibError,
  KibError,
} from '../../core/index.ts';
import { FileSource } from '../../io/filesystem/byte-source.ts';
import { convert, type DiskFile } from '../../io/qemu-img.ts';
import { withTemporaryFile } from '../../io/temporary-file.ts';
import { artifactDisk } from '../artifact-disk.ts';
import type { Mount } from './guest-files.ts';
import { type OpenGuest, openGuest } from './open-guest.ts';
import type { Rule } from './rule.ts';
import { rules } from './rules.ts';

/** What an inspection knows of the build. */
export interface Inspected {
  /** The account the build logged in with. */
  readonly builder: string;
  /** Paths of files that look like traces of the build and ship all the same. */
  readonly ships: readonly string[];
}

/** More problems than this in one rule are counted, not listed. */
const MAX_LISTED = 5;

/**
 * Judges a finished artifact before it is ever booted: nothing of the build may ship. Reads the disk without mounting it, without root and
 * without changing it. Throws KIB_INSPECT when the disk cannot be read.
 */
export async function inspectDisk(
  artifact: Pick<Artifact, 'path' | 'disk'>,
  build: Inspected,
  context: Context,
): Promise<readonly CheckResult[]> {
  return withRawDisk(artifact, context, async (path) => {
    await using disk = await FileSource.open(path, context.signal);
    return await judge(await openGuest(disk), build, context);
  });
}

async function judge(guest: OpenGuest, build: Inspected, context: Context): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const rule of [cleanRule(guest.mounts), ...rules]) {
    const result = await applyRule(rule, guest, build, context.clock);
    if (rule.severity === 'warning' && result.problems > 0)
      context.span.warn(`inspect/${rule.name}`, `${rule.title}: ${result.detail}`);
    const { problems, ...rest } = result;
    const check = { ...rest, ok: problems === 0 || rule.severity === 'warning' };
    context.span.emit({ type: 'check', result: check });
    results.push(check);
  }
  return results;
}

async function applyRule(
  rule: Rule,
  { files }: OpenGuest,
  { builder, ships }: Inspected,
  clock: Clock,
): Promise<Omit<CheckResult, 'ok'> & { readonly problems: number }> {
  const start = clock.now();
  const { problems: found, seen } = await rule.judge(files, builder);
  const problems = found.filter((problem) => !ships.some((path) => problem === path || problem.startsWith(`${path}: `)));
  const more = problems.length > MAX_LISTED ? `, and ${problems.length - MAX_LISTED} more` : '';
  const detail = problems.length === 0 ? seen : `found ${problems.slice(0, MAX_LISTED).join(', ')}${more}`;
  return { name: `inspect/${rule.name}`, title: rule.title, detail, ms: clock.now() - start, problems: problems.length };
}

/** A journal that is still to be replayed would make every other answer stale. */
function cleanRule(mounts: readonly Mount[]): Rule {
  return {
    name: 'clean-file-systems',
    title: 'the file systems were unmounted cleanly',
    severity: 'failure',
    judge: async () => ({
      problems: mounts.flatMap(({ at, fileSystem: { type, unclean } }) =>
        unclean === undefined ? [] : [`${at} (${type}): ${unclean}`],
      ),
      seen: mounts.map(({ at, fileSystem }) => `${at} is ${fileSystem.type}`).join(', '),
    }),
  };
}

/** Lends a raw image of the artifact's disk: the file itself when it is one, else a sparse copy in the scratch folder. */
async function withRawDisk<T>(
  artifact: Pick<Artifact, 'path' | 'disk'>,
  context: Context,
  work: (rawPath: string) => Promise<T>,
): Promise<T> {
  const source = artifactDisk(artifact);
  if (source.format === 'raw' && source.offset === undefined) return work(source.path);
  return withTemporaryFile(join(context.dirs.work, `inspect-${randomUUID()}.raw`), context, async (copy) => {
    await unpack(source, copy, context);
    return work(copy);
  });
}

async function unpack(source: DiskFile, target: string, context: Context): Promise<void> {
  const onProgress = (percent: number): void => context.span.progress(percent, 100, 'percent');
  try {
    await convert({ source, target, targetFormat: 'raw', onProgress, signal: context.signal });
  } catch (error) {
    if (isKibError(error)) throw error;
    throw new KibError('KIB_INSPECT', `the disk in ${source.path} cannot be read: ${errorMessage(error)}`, {
      hint: `qemu-img check ${source.path}`,
      cause: error,
    });
  }
}
