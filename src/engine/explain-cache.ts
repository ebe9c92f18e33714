import { rm } from 'node:fs/promises';
import { type Clock, type Context, releasing, Scope, systemClock } from '../core/index.ts';
import { processIdentity } from '../io/process-identity.ts';
import { planBuild } from '../plan/planner.ts';
import { claimBuildId, makeBuildDirs, makeWorkDir } from './build-dirs.ts';
import { type CacheWhy, whyMissed } from './cache-why.ts';
import { EventStream } from './events.ts';
import { BuildJournal } from './journal.ts';
import type { BuildRequest } from './request.ts';
import { resolvePlan } from './resolve-plan.ts';

/**
 * Learns what a build of this image would learn before it looks into the cache, and looks. A base or checksum file that is not here yet is fetched,
 * since keys depend on it. `onWarning` is called with what a build would warn about on the way.
 */
export async function explainCache(
  request: BuildRequest,
  signal: AbortSignal,
  onWarning: (message: string) => void,
  clock: Clock = systemClock,
): Promise<CacheWhy> {
  const id = claimBuildId(request.stateHome, `why-${request.image.name}`, clock);
  const events = new EventStream(id, clock);
  events.subscribe((event) => {
    if (event.type === 'warning') onWarning(event.message);
  });
  const scope = new Scope();
  const dirs = await makeBuildDirs(request.stateHome, request.cacheHome, id);
  const owner = { pid: process.pid, identity: await processIdentity(process.pid, signal) };
  const journal = await BuildJournal.create(`${dirs.logs}/journal.ndjson`, owner);
  const look = async () => {
    const work = await makeWorkDir(request.cacheHome, id, scope, journal);
    const network = request.network ?? {};
    const context: Context = { buildId: id, signal, clock, span: events.root, scope, journal, dirs: { ...dirs, work }, network };
    const { plan } = await resolvePlan(request, planBuild(request.image), context);
    return whyMissed(plan, context);
  };
  try {
    return await releasing(
      () => journal.close(),
      () => releasing(() => scope[Symbol.asyncDispose](), look),
    );
  } finally {
    // No build: nobody looks for its logs. What could not be released is gc's to find.
    if (scope.held.length === 0) await rm(dirs.logs, { recursive: true, force: true });
  }
}
