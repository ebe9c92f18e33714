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
  type Secret,
  systemClock,
  withDeadline,
} from '../core/index.ts';
import { processIdentity } from '../io/process-identity.ts';
import { runBuild } from './build.ts';
import { claimBuildId, makeBuildDirs, makeWorkDir } from './build-dirs.ts';
import { EventStream } from './events.ts';
import { hideInError } from './hide-secrets.ts';
import { BuildJournal } from './journal.ts';
import { PhaseRecorder } from './phases.ts';
import type { BuildRequest, BuildResult } from './request.ts';

/** How long cleaning up may take once a build ended (a cloud ends machines within minutes), so that a hung hypervisor cannot hold the caller for ever. */
const CLEANUP_DEADLINE_MS = 300_000;

/** Work of the engine under way: read its events, await its result. */
export interface WorkHandle<T> extends AsyncIterable<BuildEvent> {
  readonly id: string;
  /** Resolves when everything is cleaned up; rejects with a KibError. Handled internally too, so ignoring it is safe. */
  readonly result: Promise<T>;
  /** Calls `listener` for every event from now on; the first ones come after the current tick. */
  subscribe(listener: (event: BuildEvent) => void): () => void;
  /** What would leak if the process ended now; for the second Ctrl-C. */
  held(): readonly string[];
}

export type BuildHandle = WorkHandle<BuildResult>;

/** What of a build's request its surroundings depend on. */
export type WorkRequest = Pick<BuildRequest, 'stateHome' | 'cacheHome' | 'network'> & {
  readonly image: { readonly name: string };
};

/** What work has besides its context. */
export interface WorkTools {
  readonly journal: BuildJournal;
  /** Keeps the values out of every event from now on, and out of the error that the work may end with. */
  hide(secrets: readonly Secret[]): void;
}

interface Surroundings {
  readonly events: EventStream;
  readonly scope: Scope;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Starts a build. Abort `signal` to stop it; it then cleans up and rejects with KIB_CANCELLED. */
export function startBuild(request: BuildRequest, signal: AbortSignal, clock: Clock = systemClock): BuildHandle {
  const started = clock.now();
  const phases = new PhaseRecorder();
  const work = (context: Context, tools: WorkTools) => runBuild(request, { ...tools, phases: () => phases.phases }, context);
  const handle = startWork(request, work, signal, clock);
  handle.subscribe(phases.read);
  const result = handle.result.then((outcome) => ({ ...outcome, phases: phases.phases, ms: clock.now() - started }));
  result.catch(() => {});
  return { ...handle, result, [Symbol.asyncIterator]: () => handle[Symbol.asyncIterator]() };
}

/** Runs `work` with a context of its own, which is cleaned up whatever its outcome, under a build id of its own. */
export function startWork<T>(
  request: WorkRequest,
  work: (context: Context, tools: WorkTools) => Promise<T>,
  signal: AbortSignal,
  clock: Clock = systemClock,
): WorkHandle<T> {
  const id = claimBuildId(request.stateHome, request.image.name, clock);
  const events = new EventStream(id, clock);
  const scope = new Scope((name, error) =>
    events.root.emit({ type: 'resource', action: error === undefined ? 'released' : 'leaked', kind: 'scope', id: name }),
  );
  // One tick later, so that readers subscribe before the first event.
  const result = Promise.resolve().then(() => run(request, id, work, { events, scope, signal, clock }));
  result.catch(() => {});
  return {
    id,
    result,
    subscribe: (listener) => events.subscribe(listener),
    held: () => scope.held,
    [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
  };
}

async function run<T>(
  request: WorkRequest,
  id: string,
  work: (context: Context, tools: WorkTools) => Promise<T>,
  { events, scope, signal, clock }: Surroundings,
): Promise<T> {
  const started = clock.now();
  let hidden: readonly Secret[] = [];
  const hide = (secrets: readonly Secret[]) => {
    hidden = secrets;
    events.hide(secrets);
  };
  try {
    const dirs = await makeBuildDirs(request.stateHome, request.cacheHome, id);
    // Synchronous, so that the log is complete even when the process is killed right after.
    events.subscribe((event) => appendFileSync(join(dirs.logs, 'events.ndjson'), `${JSON.stringify(event)}\n`));
    const owner = { pid: process.pid, identity: await processIdentity(process.pid, signal) };
    const journal = await BuildJournal.create(join(dirs.logs, 'journal.ndjson'), owner);
    events.root.emit({ type: 'span.start', kind: 'build', name: request.image.name });
    const inContext = async () => {
      const scratch = await makeWorkDir(request.cacheHome, id, scope, journal);
      const context: Context = {
        buildId: id,
        signal,
        clock,
        span: events.root,
        scope,
        journal,
        dirs: { ...dirs, work: scratch },
        network: request.network ?? {},
      };
      return work(context, { journal, hide });
    };
    const result = await releasing(
      () => journal.close(),
      () => releasing(() => cleanUp(scope, events, clock), inContext),
    );
    events.root.emit({ type: 'span.end', status: 'ok', ms: clock.now() - started });
    return result;
  } catch (error) {
    const outcome = hideInError(outcomeOf(error, signal), hidden);
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
