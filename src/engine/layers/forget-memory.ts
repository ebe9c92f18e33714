import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CREDENTIALS_FILE } from './credentials.ts';
import type { LayerRecord } from './record.ts';
import { replaceRecord } from './stamps.ts';
import type { StoredLayer } from './store.ts';

const KEPT = ['disk.qcow2', CREDENTIALS_FILE];

/** Removes the memory of a layer that could not be continued; its disk, and the layers that stand on it, stay of use. */
export async function forgetMemory({ dir, record }: StoredLayer): Promise<void> {
  const { memory: _, files, ...rest } = record;
  const kept: LayerRecord = { ...rest, files: files.filter(({ name }) => KEPT.includes(name)) };
  await replaceRecord(dir, kept);
  for (const { name } of files) if (!KEPT.includes(name)) await rm(join(dir, name), { force: true });
}
