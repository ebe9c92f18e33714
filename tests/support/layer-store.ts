import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, sha256 } from '../../src/core/index.ts';
import { type LayerDraft, publishLayer } from '../../src/engine/layers/publish.ts';
import { makeStaging } from '../../src/engine/layers/staging.ts';
import type { StoredLayer } from '../../src/engine/layers/store.ts';
import { pinLayer } from '../../src/engine/layers/use.ts';

/** What the base in the cache holds; see `makeBase`. */
const BASE = 'a base image';
const BACKING = '../../bases/b/disk.qcow2';

export interface LayerGiven {
  readonly key: string;
  readonly name?: string;
  readonly image?: string;
  readonly parent?: StoredLayer;
  readonly inputs?: LayerDraft['inputs'];
  readonly base?: LayerDraft['base'];
  /** Text of the disk. */
  readonly disk?: string;
  readonly memory?: string;
  readonly pin?: boolean;
}

/** Writes the base that layers of `publish` stand on; returns its path. */
export async function makeBase(cacheDir: string, text = BASE): Promise<string> {
  const dir = join(cacheDir, 'bases', 'b');
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'disk.qcow2'), text);
  return join(dir, 'disk.qcow2');
}

/** A draft with the files `disk.qcow2`, `credentials.json` and, when given, `memory.zst`. */
export function draft({ key, name = key, image = 'debian13', parent, inputs = [], base, memory }: LayerGiven): LayerDraft {
  return {
    key,
    name,
    image,
    ...(parent === undefined ? {} : { parent: { key: parent.record.key, id: parent.record.id } }),
    base: base ?? { sha256: sha256(BASE), backing: BACKING },
    inputs,
    ms: 1000,
    bootMs: 500,
    files: ['disk.qcow2', 'credentials.json', ...(memory === undefined ? [] : ['memory.zst'])],
    ...(memory === undefined ? {} : { memory: { fingerprint: 'qemu 7.2', ms: 10 } }),
    tools: { 'kib-native': '0.0.0' },
  };
}

/** A staging folder with the files of `draft`. */
export async function stage(given: LayerGiven, context: Context) {
  const staging = await makeStaging(context);
  await writeFile(join(staging.folder, 'disk.qcow2'), given.disk ?? `disk of ${given.key} `.repeat(100));
  await writeFile(join(staging.folder, 'credentials.json'), '{"privateKey":"k"}', { mode: 0o600 });
  if (given.memory !== undefined) await writeFile(join(staging.folder, 'memory.zst'), given.memory);
  return staging;
}

/** Publishes a layer; throws when it is not taken. */
export async function publish(given: LayerGiven, context: Context): Promise<StoredLayer> {
  const stored = await publishLayer(await stage(given, context), draft(given), context);
  if (stored === undefined) throw new Error(`${given.key} was not published`);
  if (given.pin === true) await pinLayer(stored, context);
  return stored;
}
