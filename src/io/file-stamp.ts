import { stat } from 'node:fs/promises';
import { ifThere } from './if-there.ts';

/**
 * Changes whenever a file is written, replaced or touched; undefined when there is none. A file whose digest is known may be trusted as long as
 * its stamp stays the same, as git does with its index. The change time cannot be set back.
 */
export async function fileStamp(path: string): Promise<string | undefined> {
  const found = await ifThere(stat(path, { bigint: true }));
  if (found === undefined) return undefined;
  const { size, ino, mtimeNs, ctimeNs } = found;
  return [size, ino, mtimeNs, ctimeNs].join(' ');
}
