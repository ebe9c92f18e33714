import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Context } from '../core/index.ts';
import { writeWhole } from './part-file.ts';

/** Writes `<path>.sha256` as sha256sum(1) does, so that `sha256sum --check` in its folder verifies the file. */
export async function writeChecksum(path: string, sha256: string, context: Context): Promise<void> {
  await writeWhole(`${path}.sha256`, context, (part) => writeFile(part, `${sha256}  ${basename(path)}\n`));
}
