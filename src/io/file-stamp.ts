import { stat } from 'node:fs/promises';
import { systemCode } from '../core/index.ts';

/**
 * Changes whenever a file is written, replaced or touched; undefined when there is none. A file whose digest is known may be trusted as long as
 * its stamp stays the same, as git does with its index. The change time cannot be set back.
 */
export async function fileStamp(path: string): Promise<string | undefined> {
  try {
    const { size, ino, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [size, ino, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
