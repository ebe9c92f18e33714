import { open, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Context, poll, sha256 } from '../../core/index.ts';
import { claimName, hasLiveClaim, liveClaims } from '../../io/claim.ts';
import { ownPath } from '../../io/own-path.ts';
import { claimsDir, layerDir, makeStore } from './layout.ts';
import { fileSize } from './read-file.ts';
import { readPlace } from './record-file.ts';

const POLL_MS = 20;
const PIN = '.pin';
const CUT = '.cut';

/** Path that the lock of whoever makes a layer goes by; see `withFileLock`. */
export function leasePath(cacheDir: string, key: string): string {
  return join(claimsDir(cacheDir), key);
}

/**
 * Says until the end of the build that it needs the layer, which then nobody removes to save space. Pinners and removers both claim first
 * and look for each other then, so that they cannot miss each other; it is the remover who gives up.
 */
export async function pin(key: string, context: Context): Promise<void> {
  const { cache } = context.dirs;
  await makeStore(cache);
  const path = `${leasePath(cache, key)}${PIN}-${await claimName(context.signal, sha256(context.buildId).slice(0, 8))}`;
  if ((await fileSize(path)) === undefined) {
    await ownPath('file', path, context);
    await (await open(path, 'w', 0o600)).close();
  }
  await poll({ ...context, intervalMs: POLL_MS }, async () => ((await isCutting(cache, context.signal)) ? undefined : true));
}

/**
 * Calls `work` unless somebody alive makes the layer, or needs it or one above it; nobody can begin to need it until `work` ended. Returns
 * whether it was called.
 */
export async function ifUnused(cacheDir: string, key: string, signal: AbortSignal, work: () => Promise<void>): Promise<boolean> {
  await makeStore(cacheDir);
  const claim = `${leasePath(cacheDir, key)}${CUT}-${await claimName(signal)}`;
  try {
    await (await open(claim, 'wx', 0o600)).close();
    const others = await hasLiveClaim(`${leasePath(cacheDir, key)}${CUT}-`, basename(claim), signal);
    if (others || (await isNeeded(cacheDir, key, signal))) return false;
    await work();
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

async function isNeeded(cacheDir: string, key: string, signal: AbortSignal): Promise<boolean> {
  for (const used of await keysInUse(cacheDir, signal)) {
    const seen = new Set<string>();
    for (let at: string | undefined = used; at !== undefined && !seen.has(at); ) {
      if (at === key) return true;
      seen.add(at);
      at = (await readPlace(layerDir(cacheDir, at))).parent?.key;
    }
  }
  return false;
}

/** Whether somebody removes a layer right now: any, since it may carry the one in question. */
async function isCutting(cacheDir: string, signal: AbortSignal): Promise<boolean> {
  return [...(await liveClaims(claimsDir(cacheDir), signal))].some((claim) => claim.endsWith(CUT));
}

/** Keys of the layers that somebody alive needs, or makes right now. */
export async function keysInUse(cacheDir: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const claims = await liveClaims(claimsDir(cacheDir), signal);
  return new Set([...claims].flatMap((name) => /^(.*)\.(?:pin|lock)$/.exec(name)?.[1] ?? []));
}
