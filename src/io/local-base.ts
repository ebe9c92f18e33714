import { formatBytes, KibError, type LocalBase } from '../core/index.ts';
import { CommandError } from './process.ts';
import { type DiskFile, info } from './qemu-img.ts';

/** A base that was looked at. */
export interface KnownBase {
  readonly file: DiskFile;
  readonly virtualBytes: number;
  /** Whether its file is the image and nothing else: it stands on no other, and begins where the file does. */
  readonly isWhole: boolean;
}

/** Looks at a base before anything is made of it. Throws KIB_DRIVER_CANNOT when it cannot be opened, or is larger than the machine's disk. */
export async function inspectBase(base: LocalBase, diskBytes: number, signal: AbortSignal): Promise<KnownBase> {
  const { path, format, offset = 0, bytes } = base;
  const file = offset === 0 ? { path, format } : { path, format, offset, ...(bytes === undefined ? {} : { bytes }) };
  const { virtualBytes, backing } = await opened(file, signal);
  if (virtualBytes <= diskBytes) return { file, virtualBytes, isWhole: backing === undefined && offset === 0 };
  throw new KibError(
    'KIB_DRIVER_CANNOT',
    `wanted a disk of ${formatBytes(diskBytes)}, but the base already has ${formatBytes(virtualBytes)}`,
    { hint: `disk: ${Math.ceil(virtualBytes / 1024 ** 3)}GiB` },
  );
}

async function opened(file: DiskFile, signal: AbortSignal) {
  try {
    return await info(file, signal);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new KibError('KIB_DRIVER_CANNOT', `the base cannot be opened as ${file.format}: ${error.message}`, { cause: error });
  }
}
