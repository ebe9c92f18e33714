import { join } from 'node:path';
import { z } from 'zod';
import type { Problem } from './problem.ts';
import { isFolder, readText } from './read-file.ts';
import { type LayerRecord, layerRecordSchema } from './record.ts';

const RECORD = 'layer.json';

/** layer.json as it lies there: its text (undefined when there is none), and what it says or why that cannot be used. */
export type ReadRecord =
  | FoundRecord
  | { readonly text: string | undefined; readonly record?: undefined; readonly problem: Problem };

/** A record that can be used. */
export interface FoundRecord {
  readonly text: string;
  readonly record: LayerRecord;
  readonly problem?: undefined;
}

/** Reads the record of the layer in a folder; undefined when there is no such folder. */
export async function readRecord(dir: string, key: string): Promise<ReadRecord | undefined> {
  const text = await readText(recordPath(dir));
  if (text === undefined) {
    return (await isFolder(dir)) ? { text, problem: damaged('a record', 'no file') } : undefined;
  }
  const parsed = layerRecordSchema.safeParse(parseJson(text));
  if (!parsed.success) return { text, problem: damaged('a record of version 1', whatItIs(text, parsed.error)) };
  if (parsed.data.key !== key) return { text, problem: damaged(`key ${key}`, `key ${parsed.data.key}`) };
  return { text, record: parsed.data };
}

function damaged(wanted: string, got: string): Problem {
  return { kind: 'damaged', what: RECORD, wanted, got };
}

export function recordText(record: LayerRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

export function recordPath(dir: string): string {
  return join(dir, RECORD);
}

/** What any version's record says of its place in the store; a newer kib-native may use the same cache. */
export async function readPlace(dir: string): Promise<Place> {
  const parsed = placeSchema.safeParse(parseJson((await readText(join(dir, RECORD))) ?? ''));
  return parsed.success ? parsed.data : {};
}

const placeSchema = z.object({
  id: z.string().optional().catch(undefined),
  createdMs: z.number().optional().catch(undefined),
  parent: z
    .object({ key: z.string(), id: z.string().optional().catch(undefined) })
    .optional()
    .catch(undefined),
});

export type Place = z.infer<typeof placeSchema>;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function whatItIs(text: string, error: z.ZodError): string {
  const value = parseJson(text);
  if (value === undefined) return `${text.length} characters that are no JSON`;
  const version = z.object({ v: z.unknown() }).safeParse(value);
  if (version.success && version.data.v !== undefined && version.data.v !== 1) return `version ${JSON.stringify(version.data.v)}`;
  const [issue] = error.issues;
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'something else'}`;
}
