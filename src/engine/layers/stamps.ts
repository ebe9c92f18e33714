import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { sha256 } from '../../core/index.ts';
import { readText } from './read-file.ts';
import type { LayerRecord } from './record.ts';
import { recordPath, recordText } from './record-file.ts';
import { writeWhole } from './write-file.ts';

const STAMPS = 'stamps';

const stampsSchema = z.object({
  /** Hex SHA-256 of the text of layer.json. */
  record: z.string(),
  /** By file name: the stamp it had when its digest was known to be right. */
  files: z.record(z.string(), z.string()),
  /** The base's, for layers that stand on one. */
  base: z.string().optional(),
});

/** What of a layer was read and found right, so that it need not be read again while it is untouched: see `fileStamp`. */
export type Stamps = z.infer<typeof stampsSchema>;

/** Undefined when there are none or they cannot be read: then everything is read again. */
export async function readStamps(dir: string): Promise<Stamps | undefined> {
  const text = await readText(join(dir, STAMPS));
  if (text === undefined) return undefined;
  try {
    return stampsSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export async function writeStamps(dir: string, stamps: Stamps): Promise<void> {
  await writeWhole(join(dir, STAMPS), `${JSON.stringify(stamps)}\n`, 0o600);
}

/**
 * Puts another record in the place of a layer's. A process that is killed meanwhile leaves the one or the other, and no stamps: then the files are
 * read again before they are trusted.
 */
export async function replaceRecord(dir: string, record: LayerRecord): Promise<void> {
  const known = await readStamps(dir);
  await rm(join(dir, STAMPS), { force: true });
  const text = recordText(record);
  await writeWhole(recordPath(dir), text, 0o400);
  if (known === undefined) return;
  const names = record.files.map(({ name }) => name);
  const files = Object.fromEntries(Object.entries(known.files).filter(([name]) => names.includes(name)));
  await writeStamps(dir, { ...known, record: sha256(text), files });
}
