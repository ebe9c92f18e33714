import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type BaseImage, type BaseSource, type Context, errorMessage, KibError } from '../../core/index.ts';
import { digestMismatch } from '../content-store.ts';
import { fileDigests } from '../file-digests.ts';
import { probeImage } from './probe.ts';

type FileSource = Extract<BaseSource, { kind: 'file' }>;

/** A disk image of this host, read where it lies. Its digest is computed again whenever the file was touched. */
export async function fileBase(source: FileSource, context: Context): Promise<BaseImage> {
  const { path, digest } = source;
  return context.span.run('fetch', basename(path), async (span) => {
    const size = await sizeOf(path);
    const onProgress = (done: number) => span.progress(done, size, 'bytes');
    const read = await fileDigests(path, digest?.algorithm ?? 'sha256', { ...context, onProgress });
    const got = digest === undefined ? undefined : read.digests[digest.algorithm];
    if (digest !== undefined && got !== digest.hex) {
      throw digestMismatch(path, digest, got, 'replace the file, or correct base.sha256');
    }
    await probeImage(path, source.format, context);
    const facts = { trust: digest === undefined ? 'local file' : 'pinned digest' };
    return { source, path, format: source.format, sha256: read.digests.sha256, bytes: read.bytes, facts };
  });
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isFile()) return found.size;
    throw new Error('it is not a regular file');
  } catch (error) {
    throw new KibError('KIB_BASE_INVALID', `${path} cannot be used as a base: ${errorMessage(error)}`, {
      hint: 'base.file must name a disk image that this user may read',
      cause: error,
    });
  }
}
