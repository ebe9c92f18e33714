import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Clock, Journal } from '../core/index.ts';
import { claimName, hasLiveClaim } from './claim.ts';
import { isUsed } from './use-claim.ts';

export interface FileLockOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly journal: Journal;
  /** Called once, when somebody else holds the lock. */
  readonly onWait?: () => void;
}

const POLL_MS = 500;

/**
 * Runs `work` while no other task of this host, in this process or another, holds the lock on `path`. A dead holder's claim does not
 * count. The folder of `path` exists and belongs to one host; claims are empty files beside it.
 *
 * Each contender first creates a claim named after itself and only then looks for others: two can both see each other and step
 * back, but never both miss each other.
 */
export async function withFileLock<T>(path: string, options: FileLockOptions, work: () => Promise<T>): Promise<T> {
  const release = await acquireFileLock(path, options);
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Waits for the lock that `withFileLock` holds, and returns how to give it up. */
export async function acquireFileLock(path: string, options: FileLockOptions): Promise<() => Promise<void>> {
  const prefix = lockPrefix(path);
  let hasWaited = false;
  for (;;) {
    if (!(await hasLiveClaim(prefix, undefined, options.signal))) {
      const claim = `${prefix}${await claimName(options.signal)}`;
      const removed = await options.journal.acquire({ kind: 'path', id: claim });
      const release = async () => {
        await rm(claim, { force: true });
        await removed();
      };
      try {
        await (await open(claim, 'wx', 0o600)).close();
        if (!(await hasLiveClaim(prefix, basename(claim), options.signal))) return release;
      } catch (error) {
        await release();
        throw error;
      }
      await release();
    }
    if (!hasWaited) options.onWait?.();
    hasWaited = true;
    // Uneven waits, so that two who stepped back do not meet again.
    await options.clock.sleep(POLL_MS + randomBytes(1).readUInt8(), options.signal);
  }
}

/** Whether somebody alive holds the lock on `path`, or something stands on it: see `claimUse`. */
export async function isFileLocked(path: string, signal: AbortSignal): Promise<boolean> {
  return (await hasLiveClaim(lockPrefix(path), undefined, signal)) || (await isUsed(path));
}

/** Runs `work` under the lock on `path`, unless `isFileLocked`: it never waits. Returns whether it ran. For removing what others may come to use. */
export async function ifUnlocked(path: string, signal: AbortSignal, work: () => Promise<void>): Promise<boolean> {
  // Looked at first without a claim, before which others would step back.
  if (await isFileLocked(path, signal)) return false;
  const prefix = lockPrefix(path);
  const claim = `${prefix}${await claimName(signal)}`;
  try {
    await (await open(claim, 'wx', 0o600)).close();
    if ((await hasLiveClaim(prefix, basename(claim), signal)) || (await isUsed(path))) return false;
    await work();
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

function lockPrefix(path: string): string {
  return `${path}.lock-`;
}
