import { access, chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Arch, type BaseImage, type Context, KibError, sha256 } from '../../core/index.ts';
import { readTar } from '../../io/disk/read-tar.ts';
import type { Tree } from '../../io/disk/tree.ts';
import { hashFile } from '../../io/hash.ts';
import { diskError } from '../../io/http-error.ts';
import { CommandError } from '../../io/process.ts';
import { convert } from '../../io/qemu-img.ts';
import { type Archive, indexDigest, isSuite } from './archive.ts';
import { type BootstrapSource, imageIds } from './base-key.ts';
import { basesDir, publishBase } from './base-store.ts';
import { readCoreImage, writeDisk } from './debian-disk.ts';
import { imagePackages } from './debian-image.ts';
import { finishTree, installedPackages, newestKernel, treeBytes, usedReleases } from './image-tree.ts';
import { mmdebstrap } from './mmdebstrap.ts';
import { parseRelease } from './release-file.ts';
import { withScratchDir } from './scratch.ts';
import { KEYRING, reachableSuites, sourcesList } from './sources-list.ts';

export interface AssemblyRequest {
  readonly source: BootstrapSource;
  readonly arch: Arch;
  /** See requestDigest. */
  readonly request: string;
  readonly archive: Archive;
  readonly key: string;
  /** Folder for some two gigabytes, of which the caller disposes. */
  readonly scratch: string;
}

/** Makes the base and puts it into the cache: packages → tar archive → tree → raw disk → qcow2. The caller holds the lock of the key. */
export async function assembleBase(request: AssemblyRequest, context: Context): Promise<BaseImage> {
  try {
    const tree = await assembleTree(request, context);
    const packages = await installedPackages(tree);
    const facts = {
      suite: request.source.suite,
      kernel: newestKernel(tree),
      packages: String(packages.length),
      packagesSha256: sha256(packages.join('\n')),
      archives: request.archive.suites.map((suite) => `${suite.uri} ${suite.suite}`).join(', '),
      sourceDateEpoch: String(request.archive.epoch),
    };
    const image = await writeRawDisk(request, tree, context);
    return await storeDisk(request, image, facts, context);
  } catch (error) {
    if (error instanceof CommandError) {
      throw new KibError('KIB_BOOTSTRAP', `could not make the disk of ${request.source.suite}: ${error.message}`, {
        hint: 'all it said is in the log of this build',
        cause: error,
      });
    }
    throw diskError(error, request.scratch);
  }
}

async function assembleTree(request: AssemblyRequest, context: Context): Promise<Tree> {
  const { source, arch, archive, scratch } = request;
  await requireKeyring();
  const sources = join(scratch, 'debian.sources');
  await writeFile(sources, sourcesList(archive.suites));
  const target = join(scratch, 'system.tar');
  const packages = imagePackages(source.suite, arch, source.packages);
  await mmdebstrap({ suite: source.suite, arch, packages, sources, target, epoch: archive.epoch }, context);
  context.span.note('reading the system');
  const spool = join(scratch, 'files');
  await mkdir(spool);
  const tree = await readTar(target, spool, context.signal);
  await rm(target);
  await requireSameArchive(tree, archive, arch);
  return tree;
}

async function writeRawDisk(request: AssemblyRequest, tree: Tree, context: Context): Promise<string> {
  const { arch, archive, scratch } = request;
  const ids = imageIds(request.key);
  const image = join(scratch, 'disk.raw');
  const coreImage = await readCoreImage(tree, arch);
  const reachable = reachableSuites(archive.suites);
  if (reachable.length < archive.suites.length) {
    context.span.warn('KIB_BOOTSTRAP', 'the image gets no apt sources for archives that only this host reaches');
  }
  const own = join(scratch, 'own-files');
  await finishTree(tree, { arch, ids, sources: sourcesList(reachable), epoch: archive.epoch, scratch: own });
  context.span.note('writing the disk');
  const contentBytes = await treeBytes(tree);
  await writeDisk({ arch, ids, epoch: archive.epoch, image, contentBytes, coreImage, scratch, signal: context.signal }, tree);
  return image;
}

async function storeDisk(
  request: AssemblyRequest,
  image: string,
  facts: Readonly<Record<string, string>>,
  context: Context,
): Promise<BaseImage> {
  const { key, source } = request;
  const { clock, signal, span } = context;
  return withScratchDir(basesDir(context.dirs.cache), 0o755, context, async (staging) => {
    const target = join(staging, 'disk.qcow2');
    span.note('converting to qcow2');
    await convert({ source: { path: image, format: 'raw' }, target, targetFormat: 'qcow2', signal });
    await chmod(target, 0o444);
    const { bytes, digests } = await hashFile(target, 'sha256', { signal });
    const record = { v: 1, key, request: request.request, created: clock.now(), sha256: digests.sha256, bytes, facts } as const;
    return publishBase(staging, record, source, context);
  });
}

async function requireKeyring(): Promise<void> {
  try {
    await access(KEYRING);
  } catch (error) {
    throw new KibError('KIB_TOOL_MISSING', `the signing keys of the Debian archive are not on this host: no ${KEYRING}`, {
      hint: 'apt-get install debian-archive-keyring',
      cause: error,
    });
  }
}

/** The archive may have changed between the look at it and the installation; then the key is not this image's. */
async function requireSameArchive(tree: Tree, archive: Archive, arch: Arch): Promise<void> {
  const used = (await usedReleases(tree)).map((text) => ({ text, release: parseRelease(text) }));
  for (const { suite, index } of archive.suites) {
    const match = used.find(({ release }) => isSuite(release, suite));
    if (match !== undefined && indexDigest(match.text, match.release, arch) === index) continue;
    throw new KibError('KIB_BOOTSTRAP', `the archive of ${suite} was updated while the base was assembled`, {
      hint: 'run the same command again',
      retryable: true,
    });
  }
}
