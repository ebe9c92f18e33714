import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Driver, errorMessage, type Resource, systemCode } from '../core/index.ts';
import { processIdentity } from '../io/process-identity.ts';
import { type JournalState, markCollected, readJournal } from './journal.ts';

export interface GcRequest {
  readonly stateHome: string;
  /** Every driver whose leftovers may be met. */
  readonly drivers: readonly Driver[];
  /** Only look; change nothing. */
  readonly dryRun: boolean;
  /** Also these builds although the user asked to keep their machine. */
  readonly builds?: readonly string[];
  readonly signal: AbortSignal;
}

export interface GcReport {
  readonly builds: readonly {
    readonly id: string;
    /** `running`: its process lives, nothing is touched; `kept`: the user asked to keep it. */
    readonly status: 'clean' | 'running' | 'kept' | 'collected' | 'failed';
    readonly resources: readonly { readonly resource: Resource; readonly outcome: string; readonly ok: boolean }[];
  }[];
}

/**
 * Finishes what killed builds left: reads every journal, and where its process is dead removes what it still holds, newest first.
 * A failure is reported and the rest goes on; running it again tries again.
 */
export async function collectGarbage(request: GcRequest): Promise<GcReport> {
  const buildsDir = join(request.stateHome, 'builds');
  const builds: GcReport['builds'][number][] = [];
  for (const id of (await entries(buildsDir)).sort()) {
    const path = join(buildsDir, id, 'journal.ndjson');
    const state = await journalState(path);
    if (state === undefined) continue;
    builds.push({ id, ...(await collect(state, path, request, request.builds?.includes(id) ?? false)) });
  }
  return { builds };
}

async function collect(
  state: JournalState,
  path: string,
  request: GcRequest,
  isAsked: boolean,
): Promise<Omit<GcReport['builds'][number], 'id'>> {
  if (state.held.length === 0) return { status: 'clean', resources: [] };
  if (await isAlive(state, request.signal)) return { status: 'running', resources: [] };
  if (state.isKept && !isAsked) return { status: 'kept', resources: [] };
  const resources = [];
  for (const resource of state.held) {
    if (request.dryRun) {
      resources.push({ resource, outcome: 'would be removed', ok: true });
      continue;
    }
    try {
      resources.push({ resource, outcome: await remove(resource, request.drivers), ok: true });
    } catch (error) {
      resources.push({ resource, outcome: errorMessage(error), ok: false });
    }
  }
  const ok = resources.every((entry) => entry.ok);
  if (ok && !request.dryRun) await markCollected(path);
  return { status: ok ? 'collected' : 'failed', resources };
}

async function remove(resource: Resource, drivers: readonly Driver[]): Promise<string> {
  if (resource.kind === 'path') {
    await rm(resource.id, { recursive: true, force: true });
    return 'removed';
  }
  const name = resource.kind.split(':')[0];
  const driver = drivers.find((candidate) => candidate.name === name);
  if (driver === undefined) throw new Error(`no driver ${name} to remove it`);
  return driver.reap(resource);
}

async function isAlive(state: JournalState, signal: AbortSignal): Promise<boolean> {
  if (state.isEnded || state.owner === undefined) return false;
  const identity = await processIdentity(state.owner.pid, signal);
  return identity !== undefined && identity === state.owner.identity;
}

async function journalState(path: string): Promise<JournalState | undefined> {
  try {
    return await readJournal(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function entries(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
