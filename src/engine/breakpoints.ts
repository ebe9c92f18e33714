import {
  type BuildPlan,
  type Context,
  type Credentials,
  formatDuration,
  KibError,
  type RunningMachine,
  withDeadline,
} from '../core/index.ts';
import { whileAlive } from './action-errors.ts';
import type { ExecuteOptions } from './execute.ts';
import { writeAccess } from './failure-mode.ts';
import type { BuildRequest } from './request.ts';

type Wish = Pick<BuildRequest, 'onBreakpoint' | 'pause' | 'cache'>;

/**
 * Index of the first layer of the plan that pauses, which is made every time and never kept, as all after it: nobody knows what was done to the
 * guest meanwhile. Infinity when there is none.
 */
export function pausedLayer({ layers }: BuildPlan, { onBreakpoint }: Wish): number {
  const index =
    onBreakpoint === 'skip' ? -1 : layers.findIndex(({ actions }) => actions.some(({ kind }) => kind === 'breakpoint'));
  return index === -1 ? Number.POSITIVE_INFINITY : index;
}

/** Whether a build of the plan waits for somebody. */
export function isPausing(plan: BuildPlan, wish: Wish): boolean {
  const isInSeal = wish.onBreakpoint !== 'skip' && plan.seal.some(({ kind }) => kind === 'breakpoint');
  return isInSeal || pausedLayer(plan, wish) < plan.layers.length;
}

/** Throws KIB_BREAKPOINT when there is a breakpoint and nobody to go on, KIB_CACHE_MISS when it is in a layer that must not be made. */
export function requirePausable(plan: BuildPlan, request: Wish): void {
  if (!isPausing(plan, request)) return;
  const skip = { hint: '--on-breakpoint skip goes on without it' };
  if (request.pause === undefined) throw new KibError('KIB_BREAKPOINT', 'a breakpoint needs a terminal', skip);
  if (request.cache !== 'strict') return;
  throw new KibError('KIB_CACHE_MISS', 'layers with a breakpoint are never in the cache', skip);
}

interface Paused {
  readonly machine: RunningMachine;
  readonly credentials: Credentials;
}

/** What executes breakpoints; undefined when they are passed by. */
export function pauseAt(
  { onBreakpoint, pause }: Wish,
  { machine, credentials }: Paused,
  context: Context,
): ExecuteOptions['pause'] {
  if (onBreakpoint === 'skip' || pause === undefined) return undefined;
  return async ({ message, timeoutMs }, span) => {
    const { clock } = context;
    const access = await writeAccess(machine, credentials, context);
    span.note(`paused: ${message}`);
    const onTimeout = () =>
      new KibError('KIB_BREAKPOINT', `nobody went on within ${formatDuration(timeoutMs)}: ${message}`, {
        hint: 'a longer timeoutSeconds waits longer',
      });
    // A machine that is gone has nothing to look at.
    await whileAlive(machine, context.signal, (signal) =>
      withDeadline({ ms: timeoutMs, clock, signal, onTimeout }, (inner) => pause({ message, access, signal: inner })),
    );
  };
}
