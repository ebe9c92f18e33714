import { createHash, randomBytes } from 'node:crypto';
import { open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock, Journal } from '../core/index.ts';
import { processIdentity } from './process-identity.ts';

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
 * back, but never both miss each other. Nobody ever has to take a claim away from somebody, which is where lock files go wrong.
 */
export async function withFileLock<T>(path: string, options: FileLockOptions, work: () => Promise<T>): Promise<T> {
  const release = await acquire(path, options);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function acquire(path: string, options: FileLockOptions): Promise<() => Promise<void>> {
  let hasWaited = false;
  for (;;) {
    if (!(await hasLiveClaim(path, undefined, options.signal))) {
      const claim = `${path}.lock-${await ownName(options.signal)}`;
      const removed = await options.journal.acquire({ kind: 'path', id: claim });
      const release = async () => {
        await rm(claim, { force: true });
        await removed();
      };
      try {
        await (await open(claim, 'wx', 0o600)).close();
        if (!(await hasLiveClaim(path, basename(claim), options.signal))) return release;
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

/** Whether somebody alive, other than `own`, claims the lock; removes the claims of the dead. */
async function hasLiveClaim(path: string, own: string | undefined, signal: AbortSignal): Promise<boolean> {
  const prefix = `${basename(path)}.lock-`;
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(prefix) || name === own) continue;
    const [pid, identity] = name.slice(prefix.length).split('-');
    const running = await processIdentity(Number(pid), signal);
    if (running !== undefined && identity === digest(running)) return true;
    // Names are never used twice, so this cannot hit a claim made meanwhile.
    await rm(join(dirname(path), name), { force: true });
  }
  return false;
}

async function ownName(signal: AbortSignal): Promise<string> {
  const identity = (await processIdentity(process.pid, signal)) ?? '';
  return `${process.pid}-${digest(identity)}-${randomBytes(4).toString('hex')}`;
}

function digest(identity: string): string {
  return createHash('sha256').update(identity).digest('hex').slice(0, 12);
}
