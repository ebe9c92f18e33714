import { resolve } from 'node:path';
import { formatBytes, KibError, type LaunchRequest, localBase } from '../core/index.ts';
import { CommandError } from './process.ts';
import { type DiskFile, info } from './qemu-img.ts';

/** A base that was looked at. */
export interface KnownBase {
  readonly file: DiskFile;
  readonly virtualBytes: number;
  /** Whether its file is the image and nothing else: it stands on no other, and begins where the file does. */
  readonly isWhole: boolean;
}

/** What of a LaunchRequest decides whether a machine can start on its base. */
export interface BaseRequest extends Pick<LaunchRequest, 'base' | 'disk'> {
  readonly machine: Pick<LaunchRequest['machine'], 'diskBytes'>;
}

/**
 * Looks at what a machine is to start on, before anything is made of it. Throws KIB_BASE_REMOTE for a base that is no file of this host, KIB_DRIVER_CANNOT when
 * it cannot be opened, is larger than the machine's disk, or cannot be named by the layers that the machine is to become.
 */
export async function inspectBase({ base, machine, disk }: BaseRequest, signal: AbortSignal): Promise<KnownBase> {
  const local = localBase({ base });
  const { format, offset = 0, bytes } = local;
  // A backing file is named from the folder of what stands on it, so the path must not depend on ours.
  const path = resolve(local.path);
  const file = offset === 0 ? { path, format } : { path, format, offset, ...(bytes === undefined ? {} : { bytes }) };
  if (disk !== undefined && offset !== 0) {
    throw new KibError('KIB_DRIVER_CANNOT', `layers cannot stand on a part of a file, and the base is one (${path})`, {
      hint: 'copy it into a file of its own with qemu-img convert, or build with --cache off',
    });
  }
  const { virtualBytes, backing } = await opened(file, signal);
  if (virtualBytes <= machine.diskBytes) return { file, virtualBytes, isWhole: backing === undefined && offset === 0 };
  throw new KibError(
    'KIB_DRIVER_CANNOT',
    `wanted a disk of ${formatBytes(machine.diskBytes)}, but the base already has ${formatBytes(virtualBytes)}`,
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
