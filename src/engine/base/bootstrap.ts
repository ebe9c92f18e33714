import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Arch, type BaseImage, type Context, isKibError } from '../../core/index.ts';
import { withFileLock } from '../../io/file-lock.ts';
import { requirePrograms } from '../../io/programs.ts';
import type { Archive } from './archive.ts';
import { assembleBase } from './assemble.ts';
import { type BootstrapSource, baseKey, requestDigest } from './base-key.ts';
import { basesDir, findBase, newestBase } from './base-store.ts';
import { currentArchive } from './current-archive.ts';
import { withScratchDir } from './scratch.ts';

/** Host programs that assembling a base runs, for doctor. An ordinary user becomes root of a user namespace by newuidmap(1). */
export const BOOTSTRAP_TOOLS: readonly string[] = [
  ['mmdebstrap', 'apt-get', 'setpriv', 'timeout', 'unshare'],
  process.getuid?.() === 0 ? [] : ['newuidmap'],
  ['sfdisk', 'mke2fs', 'debugfs', 'e2fsck', 'mkfs.vfat', 'mmd', 'mcopy', 'qemu-img'],
].flat();

/**
 * A Debian base image made from a package archive, from the cache when the archive holds the same packages as when it was made. Only one build of
 * this host makes the same base at a time. When the archive cannot be reached, the newest base for the same request does, with a
 * warning. Throws KIB_BOOTSTRAP, KIB_TOOL_MISSING, KIB_DISK_FULL.
 */
export async function bootstrapBase(source: BootstrapSource, arch: Arch, context: Context): Promise<BaseImage> {
  const request = requestDigest(source, arch);
  return withScratchDir(context.dirs.work, 0o755, context, async (scratch) => {
    const archive = await archiveOrBase(source, arch, request, scratch, context);
    if ('path' in archive) return archive;
    const key = baseKey(request, archive);
    const bases = basesDir(context.dirs.cache);
    await mkdir(bases, { recursive: true });
    const onWait = () => context.span.note('waiting for another build that assembles it');
    return withFileLock(join(bases, key), { ...context, onWait }, async () => {
      const known = await findBase(key, source, context);
      if (known !== undefined) {
        context.span.mark('cached');
        return known.image;
      }
      await requirePrograms(BOOTSTRAP_TOOLS);
      return assembleBase({ source, arch, request, archive, key, scratch }, context);
    });
  });
}

/** What the archive holds, or the base to use in its place. */
async function archiveOrBase(
  source: BootstrapSource,
  arch: Arch,
  request: string,
  scratch: string,
  context: Context,
): Promise<Archive | BaseImage> {
  const { span, signal } = context;
  try {
    span.note(`reading the package archive of ${source.suite}`);
    return await currentArchive({ suite: source.suite, arch, mirror: source.mirror, scratch, signal }, context);
  } catch (error) {
    if (!isKibError(error) || error.code !== 'KIB_BOOTSTRAP') throw error;
    const known = await newestBase(request, source, context);
    if (known === undefined) throw error;
    const age = formatAge(context.clock.now() - known.record.created);
    span.warn(error.code, `${error.message}; using the base for ${source.suite} that was assembled ${age}`, error.hint);
    span.mark('cached');
    return known.image;
  }
}

/** `today`, `1 day ago`, `12 days ago`. */
export function formatAge(ms: number): string {
  const days = Math.floor(ms / 86_400_000);
  if (days < 1) return 'today';
  return days === 1 ? '1 day ago' : `${days} days ago`;
}
