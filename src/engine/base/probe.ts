import { type Context, type DiskFormat, errorMessage, KibError } from '../../core/index.ts';
import { readDiskHeader } from '../../io/disk-header.ts';
import { CommandError } from '../../io/process.ts';
import { info } from '../../io/qemu-img.ts';

/**
 * Makes sure that a base is what it is said to be and stands alone: a header that names a backing or data file would make QEMU read
 * files of this host, and the digest would not cover them. Throws KIB_BASE_INVALID.
 */
export async function probeImage(path: string, format: DiskFormat, context: Pick<Context, 'signal'>): Promise<void> {
  const header = await readDiskHeader(path);
  if (header.format !== format) {
    throw invalid(path, `want the format ${format}, got ${header.format}`, `set base.format to ${header.format}`);
  }
  if (header.refersTo.length > 0) {
    throw invalid(
      path,
      `it reads from ${header.refersTo.join(' and ')}, and a base must stand alone`,
      `if you trust it, flatten it: qemu-img convert -O qcow2 ${path} base.qcow2`,
    );
  }
  try {
    await info({ path, format }, context.signal);
  } catch (error) {
    if (error instanceof CommandError) throw invalid(path, errorMessage(error), 'take another copy of the image', error);
    throw error;
  }
}

function invalid(path: string, problem: string, hint: string, cause?: unknown): KibError {
  return new KibError('KIB_BASE_INVALID', `${path} cannot be used as a base: ${problem}`, { hint, cause });
}
