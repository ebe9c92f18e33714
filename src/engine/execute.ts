import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  type Context,
  isKibError,
  KiB,
  KibError,
  type PlannedAction,
  type RunningMachine,
  type Secret,
  type Sh,
  type Span,
  throwIfAborted,
} from '../core/index.ts';
import {
  actionFailed,
  actionTimedOut,
  connectionLost,
  isBrokenOff,
  isWorthTrying,
  singleFailed,
  whileAlive,
  withConsole,
} from './action-errors.ts';
import { actionStep, type BreakpointAction, downloadUrl, type ScriptAction, type SingleAction } from './action-steps.ts';
import { type Guest, isTimeout } from './guest.ts';
import { guestAccess } from './guest-access.ts';
import { LineSplitter } from './line-splitter.ts';
import type { ScriptEvent } from './markers.ts';
import type { PackageCache } from './package-cache/index.ts';
import type { ScriptStep } from './script.ts';
import type { SecretValues } from './secrets.ts';

export interface ExecuteOptions {
  /** Local path of every download the actions name, by its URL. */
  readonly files: ReadonlyMap<string, string>;
  /** Serves the actions that install packages. */
  readonly packageCache?: PackageCache | undefined;
  /** Of the whole plan. */
  readonly secrets?: SecretValues | undefined;
  /** Resolves when somebody goes on; without it breakpoints are passed by. */
  readonly pause?: ((action: BreakpointAction, span: Span) => Promise<void>) | undefined;
  /** The guest's machine, for what it says when the guest does not come back. */
  readonly machine?: Pick<RunningMachine, 'console' | 'exited'> | undefined;
  /** Its span becomes the parent of one span per action. */
  readonly context: Pick<Context, 'signal' | 'clock' | 'span'>;
}

/** How much of a failed action's output its error carries. */
const TAIL_LINES = 40;
/** An upload and its removal are round trips of their own. */
const SMALL_FILE_BYTES = 32 * KiB;

/**
 * Runs the actions in order; consecutive exec and put actions share one script and one round trip. Throws KIB_ACTION_FAILED,
 * KIB_ACTION_TIMEOUT or KIB_SSH_LOST, each naming the action, and the signal's reason once nothing runs in the guest any more.
 */
export async function executeActions(guest: Guest, actions: readonly PlannedAction[], options: ExecuteOptions): Promise<void> {
  for (const group of groupActions(actions)) {
    if (Array.isArray(group)) await runScriptActions(guest, group, options);
    else await runSingle(guest, group, options);
  }
}

/** Runs of exec and put actions as arrays, every other action by itself; so is one that may break the connection, in an array of its own. */
export function groupActions(actions: readonly PlannedAction[]): readonly (ScriptAction[] | SingleAction)[] {
  const groups: (ScriptAction[] | SingleAction)[] = [];
  for (const action of actions) {
    const last = groups.at(-1);
    if (action.kind === 'reboot' || action.kind === 'custom' || action.kind === 'breakpoint') groups.push(action);
    else if (Array.isArray(last) && ![last[0], action].some(mayDisconnect)) last.push(action);
    else groups.push([action]);
  }
  return groups;
}

function mayDisconnect(action: PlannedAction | undefined): boolean {
  return action?.kind === 'exec' && action.disconnects === true;
}

async function runSingle(guest: Guest, action: SingleAction, { context, machine, pause }: ExecuteOptions): Promise<void> {
  const { signal } = context;
  await context.span.run('action', action.title, async (span) => {
    try {
      if (action.kind === 'custom') await action.run(guestAccess(guest, signal));
      else if (action.kind === 'breakpoint' && pause === undefined) span.mark('skipped');
      else if (action.unless !== undefined && (await succeeds(guest, action.unless, signal))) span.mark('skipped');
      else if (action.kind === 'breakpoint') await pause?.(action, span);
      else await whileAlive(machine, signal, (inner) => guest.reboot({ timeoutMs: action.timeoutMs, signal: inner }));
    } catch (error) {
      throwIfAborted(signal);
      throw singleFailed(action, await withConsole(error, machine));
    }
  });
}

async function succeeds(guest: Guest, script: Sh, signal: AbortSignal): Promise<boolean> {
  try {
    await guest.run(script, { signal });
    return true;
  } catch (error) {
    if (isKibError(error) && error.code === 'KIB_ACTION_FAILED') return false;
    throw error;
  }
}

async function runScriptActions(guest: Guest, actions: readonly ScriptAction[], options: ExecuteOptions): Promise<void> {
  const { context } = options;
  const staged = new Map<string, string>();
  const small = new Map<string, Uint8Array>();
  try {
    for (const action of actions) await stageDownload(guest, action, { staged, small }, options);
    const installs = actions.some((action) => action.kind === 'exec' && action.packages === true);
    const packageWrapper = installs ? await options.packageCache?.wrapper(context.signal) : undefined;
    const steps = actions.map((action) =>
      actionStep(action, { staged, small, slowness: guest.slowness, packageWrapper, secrets: options.secrets }),
    );
    const secrets = options.secrets?.all ?? [];
    const events = guest.script(steps, { onFailure: 'stop', signal: context.signal });
    try {
      for (const [index, action] of actions.entries()) {
        const step = steps[index];
        await context.span.run('action', action.title, async (span) => {
          if (mayDisconnect(action)) return followToReturn(guest, events, { action, step, secrets }, span, options);
          if (step?.first === undefined || options.packageCache === undefined)
            return followStep(events, { action, step, secrets }, span);
          return followInstall(options.packageCache, span, (onFailure) =>
            followStep(events, { action, step, secrets }, span, onFailure),
          );
        });
      }
      await awaitDone(events);
    } finally {
      await events.return();
    }
  } finally {
    await guest.remove([...staged.values()], context.signal);
  }
}

/** Reads the `done` marker. All actions succeeded, so a connection that breaks now (a seal removes its own login) is no failure. */
async function awaitDone(events: AsyncGenerator<ScriptEvent, void, void>): Promise<void> {
  try {
    await events.next();
  } catch (error) {
    if (!isKibError(error) || error.code !== 'KIB_SSH_LOST') throw error;
  }
}

/** Uploads the file that the action puts, or reads it when it is small enough to travel with the script. */
async function stageDownload(
  guest: Guest,
  action: ScriptAction,
  { staged, small }: { readonly staged: Map<string, string>; readonly small: Map<string, Uint8Array> },
  { files, context }: ExecuteOptions,
): Promise<void> {
  const url = downloadUrl(action);
  if (url === undefined || staged.has(url) || small.has(url)) return;
  const path = files.get(url);
  if (path === undefined) throw new KibError('KIB_TRANSFER', `${action.id} needs ${url}, which was not downloaded`);
  if ((await stat(path)).size <= SMALL_FILE_BYTES) {
    small.set(url, await readFile(path));
    return;
  }
  await context.span.run('fetch', `upload ${basename(new URL(url).pathname)}`, async (span) => {
    const onProgress = (done: number, total: number) => span.progress(done, total, 'bytes');
    staged.set(url, await guest.stage(path, { signal: context.signal, onProgress }));
  });
}

interface Followed {
  readonly action: ScriptAction;
  readonly step: ScriptStep | undefined;
  /** Hidden in what the action says. */
  readonly secrets: readonly Secret[];
}

/** Reads events up to the end of one action and turns them into log lines; throws when the action failed for good. */
async function followStep(
  events: AsyncGenerator<ScriptEvent, void, void>,
  { action, step, secrets }: Followed,
  span: Span,
  onFailure: () => Promise<void> = async () => {},
): Promise<void> {
  const tail: string[] = [];
  const own = action.kind === 'exec' ? action.script.secrets : [];
  const splitter = new LineSplitter(
    (line) => {
      if (tail.push(line) > TAIL_LINES) tail.shift();
      span.log('guest', line);
    },
    [...own, ...secrets],
  );
  const failure = { action, tail, timeoutMs: step?.timeoutMs ?? 0, attempts: step?.attempts ?? 1 };
  let attempt = 1;
  try {
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      const event = next.value;
      if (event.kind === 'start') {
        attempt = event.attempt;
        tail.length = 0;
      }
      if (event.kind === 'output') splitter.push(event.bytes);
      if (event.kind !== 'end') continue;
      splitter.end();
      if ((step?.okCodes ?? [0]).includes(event.exitCode)) return;
      await onFailure();
      const isLate = isTimeout(event, failure.timeoutMs);
      const error = isLate ? actionTimedOut(failure) : actionFailed({ ...failure, attempts: attempt }, event.exitCode);
      const mayHelp = isLate || isWorthTrying(failure, attempt === 1 && step?.first !== undefined);
      if (attempt >= failure.attempts || !mayHelp) throw error;
      span.warn(error.code, `${error.message.split('\n')[0]}; trying again (${attempt} of ${failure.attempts})`);
    }
  } catch (error) {
    splitter.end();
    throw explain(error, failure);
  }
}

/** The same for an action that may break the connection: done when the guest answers again. */
async function followToReturn(
  guest: Guest,
  events: AsyncGenerator<ScriptEvent, void, void>,
  followed: Followed,
  span: Span,
  { context: { signal }, machine }: ExecuteOptions,
): Promise<void> {
  try {
    await followStep(events, followed, span);
    await awaitDone(events);
  } catch (error) {
    throwIfAborted(signal);
    if (!isBrokenOff(error)) throw error;
  }
  span.note('waiting for the guest to answer again');
  const { action, step } = followed;
  const timeoutMs = (step?.timeoutMs ?? 0) / guest.slowness;
  try {
    await whileAlive(machine, signal, (inner) => guest.awaitReturn({ timeoutMs, signal: inner }));
  } catch (error) {
    throwIfAborted(signal);
    throw singleFailed(action, await withConsole(error, machine));
  }
}

/** The same for an action that the cache serves: says what it had, and asks about that anew when the action failed. */
async function followInstall(
  cache: PackageCache,
  span: Span,
  follow: (onFailure: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const use = cache.startUse();
  try {
    await follow(() => use.doubt());
  } finally {
    span.note(use.summary());
  }
}

/** Failures of the script as a whole, told as failures of the action it was at. */
function explain(error: unknown, failure: Parameters<typeof actionFailed>[0]): unknown {
  if (!isKibError(error) || error.details['action'] !== undefined) return error;
  if (error.code === 'KIB_SSH_LOST') return connectionLost(failure, error);
  if (error.code === 'KIB_ACTION_TIMEOUT') return actionTimedOut(failure, error);
  if (error.code === 'KIB_ACTION_FAILED') return actionFailed(failure, undefined, error);
  return error;
}
