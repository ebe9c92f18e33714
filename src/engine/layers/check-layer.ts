import { isAbsolute, join, resolve } from 'node:path';
import { sha256, systemCode } from '../../core/index.ts';
import { fileStamp } from '../../io/file-stamp.ts';
import { hashFile } from '../../io/hash.ts';
import type { Problem } from './problem.ts';
import { fileSize } from './read-file.ts';
import type { LayerRecord } from './record.ts';
import type { FoundRecord } from './record-file.ts';
import { readStamps, type Stamps, writeStamps } from './stamps.ts';

export interface CheckOptions {
  readonly signal: AbortSignal;
  /** Read every byte, also of files that are untouched since they were last read. */
  readonly isThorough: boolean;
  /** Called with a file that is read whole, which may take seconds. */
  readonly onRead?: (path: string) => void;
  /** Digests of bases that were read already, by path. */
  readonly bases?: Map<string, string>;
}

/** What is wrong with the layer's own files and, for a layer without parent, its base; undefined when nothing is. Its ancestors are the caller's. */
export async function checkLayer(
  dir: string,
  { record, text }: FoundRecord,
  options: CheckOptions,
): Promise<Problem | undefined> {
  const known = await readStamps(dir);
  const digest = sha256(text);
  if (known !== undefined && known.record !== digest) {
    return { kind: 'damaged', what: 'layer.json', wanted: `sha256 ${known.record}`, got: `sha256 ${digest}` };
  }
  const files: Record<string, string> = {};
  for (const file of record.files) {
    const path = join(dir, file.name);
    const bytes = await fileSize(path);
    if (bytes !== file.bytes) {
      return {
        kind: 'damaged',
        what: file.name,
        wanted: `${file.bytes} bytes`,
        got: bytes === undefined ? 'no file' : `${bytes} bytes`,
      };
    }
    const read = await readIfTouched(path, known?.files[file.name], options);
    if (read.sha256 !== undefined && read.sha256 !== file.sha256) {
      return { kind: 'damaged', what: file.name, wanted: `sha256 ${file.sha256}`, got: gotText(read.sha256) };
    }
    files[file.name] = read.stamp;
  }
  const base = record.parent === undefined ? await checkBase(dir, record, known?.base, options) : undefined;
  if (base !== undefined && 'kind' in base) return base;
  const now: Stamps = { record: digest, files, ...(base === undefined ? {} : { base: base.stamp }) };
  if (JSON.stringify(now) !== JSON.stringify(known)) await remember(dir, now);
  return undefined;
}

/** Without stamps the files are read again next time, so that a full disk or a removed folder is no reason to fail. */
async function remember(dir: string, stamps: Stamps): Promise<void> {
  try {
    await writeStamps(dir, stamps);
  } catch (error) {
    if (!['ENOENT', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES'].includes(systemCode(error) ?? '')) throw error;
  }
}

/** Where the base lies that a layer names. */
export function basePath(dir: string, { base }: Pick<LayerRecord, 'base'>): string {
  return isAbsolute(base.backing) ? base.backing : resolve(dir, base.backing);
}

async function checkBase(
  dir: string,
  record: LayerRecord,
  known: string | undefined,
  options: CheckOptions,
): Promise<{ readonly stamp: string } | Problem> {
  const path = basePath(dir, record);
  const wanted = `sha256 ${record.base.sha256}`;
  if ((await fileSize(path)) === undefined) return { kind: 'orphan', what: `base ${path}`, wanted, got: 'no file' };
  const before = options.bases?.get(path);
  const read =
    before === undefined ? await readIfTouched(path, known, options) : { stamp: (await fileStamp(path)) ?? '', sha256: before };
  if (read.sha256 !== undefined) options.bases?.set(path, read.sha256);
  if (read.sha256 === undefined || read.sha256 === record.base.sha256) return { stamp: read.stamp };
  return { kind: 'orphan', what: `base ${path}`, wanted, got: gotText(read.sha256) };
}

/** The stamp of a file, and its digest unless it still has the stamp it had when that was found right. */
async function readIfTouched(
  path: string,
  known: string | undefined,
  options: CheckOptions,
): Promise<{ readonly stamp: string; readonly sha256: string | undefined }> {
  // Taken before reading: a change meanwhile makes it outdated.
  const stamp = (await fileStamp(path)) ?? '';
  if (stamp === known && !options.isThorough) return { stamp, sha256: undefined };
  options.onRead?.(path);
  return { stamp, sha256: await digestOf(path, options.signal) };
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  try {
    return (await hashFile(path, 'sha256', { signal })).digests.sha256;
  } catch (error) {
    const code = systemCode(error);
    // A bad sector, or removed meanwhile.
    if (code === 'EIO' || code === 'ENOENT') return code;
    throw error;
  }
}

function gotText(digest: string): string {
  return digest.startsWith('E') ? `what cannot be read (${digest})` : `sha256 ${digest}`;
}
