import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Context, canonicalJson, isKibError, sha256, systemCode, throwIfAborted } from '../../core/index.ts';
import { fileStamp } from '../../io/file-stamp.ts';
import { isAbsent } from '../../io/http-error.ts';
import { cachePath, readCacheFile, writeCacheFile } from '../cache-file.ts';
import { mapParallel } from '../parallel.ts';
import { SeenTexts } from '../repositories/seen.ts';
import { type Archive, type ArchiveProbe, type ArchiveRequest, readArchive } from './archive.ts';

const recordSchema = z.object({
  v: z.literal(1),
  /** Changes when this host's apt is set up to use other archives. */
  host: z.string(),
  probes: z.array(z.object({ url: z.string(), sha256: z.string().nullable() })),
  archive: z.object({
    suites: z.array(z.object({ uri: z.string(), suite: z.string(), index: z.string() })).readonly(),
    epoch: z.number(),
  }),
});

/** What decides on which archives apt uses (apt.conf(5)). */
const APT_FILES = ['/etc/os-release', '/etc/apt/sources.list', '/etc/apt/apt.conf'];
const APT_FOLDERS = ['/etc/apt/sources.list.d', '/etc/apt/apt.conf.d'];

/** Connections at once: all suites of a release. */
const PARALLEL = 8;

/**
 * What the archive holds now: as readArchive finds out by running apt, which takes most of a second. Nothing has to be run when every address
 * that apt was sent to the last time still gives the same bytes: then the answer is the same.
 */
export async function currentArchive(request: ArchiveRequest, context: Context): Promise<Archive> {
  const { suite, arch, mirror } = request;
  const path = cachePath(context, 'repositories', 'archives', `${sha256(canonicalJson({ suite, arch, mirror }))}.json`);
  const known = await readCacheFile(path, recordSchema);
  const host = mirror === undefined ? await hostStamp() : '';
  if (known?.host === host && (await isUnchanged(known.probes, context))) return known.archive;
  const probes: ArchiveProbe[] = [];
  const onProbe = (probe: ArchiveProbe) => void probes.push(probe);
  const archive = await readArchive({ ...request, onProbe, isHasty: known !== undefined });
  await writeCacheFile(path, { v: 1, host, probes, archive } satisfies z.infer<typeof recordSchema>, context);
  return archive;
}

/** Whether each address has what it had. When one cannot be asked from here, perhaps apt can: it may have another way to the network. */
async function isUnchanged(probes: readonly ArchiveProbe[], context: Context): Promise<boolean> {
  await using texts = await SeenTexts.open(context, { isHasty: true });
  try {
    const found = await mapParallel(probes, { limit: PARALLEL, signal: context.signal }, ({ url }, signal) =>
      digestBehind(url, texts, signal),
    );
    return found.every((digest, index) => digest === probes[index]?.sha256);
  } catch (error) {
    throwIfAborted(context.signal);
    if (isKibError(error) && error.class !== 'fetch') throw error;
    return false;
  }
}

async function digestBehind(url: string, texts: SeenTexts, signal: AbortSignal): Promise<string | null> {
  try {
    if (url.startsWith('file:')) return sha256(await readFile(fileURLToPath(url), 'utf8'));
    return sha256((await texts.fetch(url, signal)).text);
  } catch (error) {
    if (isAbsent(error) || systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

async function hostStamp(): Promise<string> {
  const inFolders = await Promise.all(APT_FOLDERS.map(async (folder) => (await names(folder)).map((name) => join(folder, name))));
  const files = [...APT_FILES, ...inFolders.flat()];
  return sha256(canonicalJson(await Promise.all(files.map(async (path) => [path, (await fileStamp(path)) ?? '']))));
}

async function names(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
