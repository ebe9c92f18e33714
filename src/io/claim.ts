import { createHash, randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../core/index.ts';
import { processIdentity } from './process-identity.ts';

/**
 * A claim is an empty file `<prefix><pid>-<identity>-<nonce>` that counts as long as the process it names lives. Nobody ever has to take a claim
 * away from somebody, which is where lock files go wrong: those of the dead are simply no claims.
 */
const CLAIM = /^(.*)-(\d+)-([0-9a-f]{12})-([0-9a-f]+)$/;

/** What to put behind the prefix for a claim of this process. With the same `nonce` the same process gets the same name. */
export async function claimName(signal: AbortSignal, nonce = randomBytes(4).toString('hex')): Promise<string> {
  const identity = (await processIdentity(process.pid, signal)) ?? '';
  return `${process.pid}-${digest(identity)}-${nonce}`;
}

/** Whether somebody alive, other than the claim called `own`, holds a claim that starts with `prefix` (a path); removes the claims of the dead. */
export async function hasLiveClaim(prefix: string, own: string | undefined, signal: AbortSignal): Promise<boolean> {
  const dir = dirname(prefix);
  for (const name of await readdir(dir)) {
    if (!name.startsWith(basename(prefix)) || name === own) continue;
    if (await isClaimAlive(name.slice(basename(prefix).length), signal)) return true;
    // No living process makes a claim of that name, so this cannot hit one made meanwhile.
    await rm(join(dir, name), { force: true });
  }
  return false;
}

/** What stands before `-<pid>-…` in the names of all claims of the living in a folder; removes the claims of the dead. */
export async function liveClaims(dir: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const name of await list(dir)) {
    const [, claimed = '', pid, identity] = CLAIM.exec(name) ?? [];
    if (pid === undefined) continue;
    if (await isAlive(Number(pid), identity, signal)) found.add(claimed);
    else await rm(join(dir, name), { force: true });
  }
  return found;
}

/** Whether the process that made a claim of that name (what `claimName` gave) still lives. */
export async function isClaimAlive(name: string, signal: AbortSignal): Promise<boolean> {
  const [pid, identity] = name.split('-');
  return isAlive(Number(pid), identity, signal);
}

async function isAlive(pid: number, identity: string | undefined, signal: AbortSignal): Promise<boolean> {
  const running = await processIdentity(pid, signal);
  return running !== undefined && identity === digest(running);
}

async function list(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function digest(identity: string): string {
  return createHash('sha256').update(identity).digest('hex').slice(0, 12);
}
