import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Context } from '../core/index.ts';
import { writeWhole } from './part-file.ts';

/** One line of sha256sum(1): digest, two blanks (binary and text are the same on POSIX), file name, newline. */
export function checksumLine(sha256: string, fileName: string): string {
  return `${sha256}  ${fileName}\n`;
}

/** Writes `<path>.sha256`, so that `sha256sum --check` in its folder verifies the file. */
export async function writeChecksum(path: string, sha256: string, context: Context): Promise<void> {
  await writeWhole(`${path}.sha256`, context, (part) => writeFile(part, checksumLine(sha256, basename(path))));
}
