import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BuildEvent,
  type Clock,
  type Context,
  cancelled,
  errorMessage,
  isKibError,
  KibError,
  releasing,
  Scope,
  systemClock,
  withDeadline,
} from '../core/index.ts';
import { processIdentity } from '../io/process-identity.ts';
import { runBuild } from './build.ts';
import { claimBuildId, makeBuildDirs, makeWorkDir } from './build-dirs.ts';
import { EventStream } from './events.ts';
import { BuildJournal } from './journal.ts';
import { PhaseRecorder } from './phases.ts';
import type { BuildRequest, BuildResult } from './request.ts';

/** How long cleaning up may take once a build ended, so that a hung hypervisor cannot hold the caller for ever. */
const CLEANUP_DEADLINE_MS = 60_000;

/** A build under way: read its events, await its result. */
export interface BuildHandle extends AsyncIterable<BuildEvent> {
  readonly id: string;
  /** Resolves when everything is cleaned up; rejects with a KibError. Handled internally too, so ignoring it is safe. */
  readonly result: Promise<BuildResult>;
  /** Calls `listener` for every event from now on; the first ones come after the current tick. */
  subscribe(listener: (event: BuildEvent) => void): () => void;
  /** What would leak if the process ended now; for the second Ctrl-C. */
  held(): readonly string[];
}

/** Starts a build. Abort `signal` to stop it; it then cleans up and rejects with KIB_CANCELLED. */
export function startBuild(request: BuildRequest, signal: AbortSignal, clock: Clock = systemClock): BuildHandle {
  const id = claimBuildId(request.stateHome, request.image.name, clock);
  const events = new EventStream(id, clock);
  const scope = new Scope((name, error) =>
    events.root.emit({ type: 'resource', action: error === undefined ? 'released' : 'leaked', kind: 'scope', id: name }),
  );
  // One tick later, so that readers subscribe before the first event.
  const result = Promise.resolve().then(() => run(request, id, events, scope, signal, clock));
  result.catch(() => {});
  return {
    id,
    result,
    subscribe: (listener) => events.subscribe(listener),
    held: () => scope.held,
    [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
  };
}

async function run(
  request: BuildRequest,
  id: string,
  events: EventStream,
  scope: Scope,
  signal: AbortSignal,
  clock: Clock,
): Promise<BuildResult> {
  const started = clock.now();
  const phases = new PhaseRecorder();
  events.subscribe(phases.read);
  try {
    const dirs = await makeBuildDirs(request.stateHome, request.cacheHome, id);
    // Synchronous, so that the log is complete even when the process is killed right after.
    events.subscribe((event) => appendFileSync(join(dirs.logs, 'events.ndjson'), `${JSON.stringify(event)}\n`));
    const owner = { pid: process.pid, identity: await processIdentity(process.pid, signal) };
    const journal = await BuildJournal.create(join(dirs.logs, 'journal.ndjson'), owner);
    events.root.emit({ type: 'span.start', kind: 'build', name: request.image.name });
    const build = async () => {
      const work = await makeWorkDir(request.cacheHome, id, scope, journal);
      const context: Context = {
        buildId: id,
        signal,
        clock,
        span: events.root,
        scope,
        journal,
        dirs: { ...dirs, work },
        network: request.network ?? {},
      };
      return runBuild(request, { journal, phases: () => phases.phases }, context);
    };
    const result = await releasing(
      () => journal.close(),
      () => releasing(() => cleanUp(scope, events, clock), build),
    );
    events.root.emit({ type: 'span.end', status: 'ok', ms: clock.now() - started });
    return { ...result, phases: phases.phases, ms: clock.now() - started };
  } catch (error) {
    const outcome = outcomeOf(error, signal);
    events.root.emit({
      type: 'span.end',
      status: signal.aborted ? 'cancelled' : 'failed',
      ms: clock.now() - started,
      error: { message: errorMessage(outcome), ...(isKibError(outcome) ? { code: outcome.code } : {}) },
    });
    throw outcome;
  } finally {
    events.close();
  }
}

/** Releases the scope under a deadline of its own. */
function cleanUp(scope: Scope, events: EventStream, clock: Clock): Promise<void> {
  const onTimeout = () =>
    new KibError('KIB_LEAKED', `cleaning up took longer than ${CLEANUP_DEADLINE_MS / 1000} s; left: ${scope.held.join(', ')}`, {
      hint: 'kib-native gc',
    });
  // A fresh signal: the build's own one may be the reason why we are here.
  const { signal } = new AbortController();
  return events.root.run('cleanup', 'clean up', () =>
    withDeadline({ ms: CLEANUP_DEADLINE_MS, clock, signal, onTimeout }, () => scope[Symbol.asyncDispose]()),
  );
}

/** KIB_CANCELLED for a build that was interrupted, with what it failed of meanwhile in `suppressed`. */
function outcomeOf(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || (isKibError(error) && error.class === 'cancelled')) return error;
  const outcome = cancelled(signal.reason);
  // Others are how Node's own functions take an abort.
  if (isKibError(error) && error !== outcome) outcome.suppressed.push(error);
  return outcome;
}
