import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { BaseImage, Context } from '../../core/index.ts';
import { type ByteSource, FileSource } from '../../io/filesystem/byte-source.ts';
import { UnreadableError } from '../../io/filesystem/file-system.ts';
import { Qcow2Source } from '../../io/filesystem/qcow2.ts';
import { convert } from '../../io/qemu-img.ts';
import { withTemporaryFile } from '../../io/temporary-file.ts';

/** Lends the base's disk: as it lies where its format is read here, else a raw copy that is thrown away. */
export async function withBaseDisk<T>(base: BaseImage, context: Context, work: (disk: ByteSource) => Promise<T>): Promise<T> {
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
