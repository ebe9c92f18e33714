import { z } from 'zod';
import { type Context, isKibError, KibError, pollWithin, type Waiting } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { isFull } from './errors.ts';

/** Calls `probe` until it returns something. What may pass counts as not yet. Throws KIB_VSPHERE_TIMEOUT, which says what was waited for. */
export async function waitFor<T>(
  what: string,
  waiting: Waiting,
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
  probe: (signal: AbortSignal) => Promise<T | undefined>,
): Promise<T> {
  const onTimeout = () =>
    new KibError('KIB_VSPHERE_TIMEOUT', `${what} took longer than ${Math.round(waiting.timeoutMs / 1000)} s`);
  const mayPass = (error: unknown) => isKibError(error) && error.retryable;
  return pollWithin(waiting, { clock, signal, onTimeout, mayPass }, probe);
}

const taskSchema = z.object({
  status: z.enum(['PENDING', 'RUNNING', 'BLOCKED', 'SUCCEEDED', 'FAILED']),
  progress: z.object({ total: z.number(), completed: z.number() }).optional(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
});

/**
 * Waits for a task of the REST API and returns its result. An interrupted wait cancels the task and waits until it has ended, so that whatever
 * it made is there to be removed. Throws KIB_VSPHERE_TASK, KIB_VSPHERE_STORAGE.
 */
export async function finishTask(
  vcenter: Vcenter,
  what: string,
  task: string,
  waiting: Waiting,
  context: Pick<Context, 'clock' | 'signal' | 'span'>,
): Promise<unknown> {
  const path = `/api/cis/tasks/${encodeURIComponent(task)}`;
  const probe = async (signal: AbortSignal) => {
    const info = await vcenter.call({ method: 'GET', path, signal }, taskSchema);
    const { status, progress } = info;
    if (progress !== undefined && progress.total > 0) context.span.progress(progress.completed, progress.total, 'percent');
    return status === 'SUCCEEDED' || status === 'FAILED' ? info : undefined;
  };
  try {
    const { status, result, error } = await waitFor(what, waiting, context, probe);
    if (status === 'SUCCEEDED') return result;
    throw taskFailed(what, error);
  } catch (error) {
    if (!context.signal.aborted && !(isKibError(error) && error.code === 'KIB_VSPHERE_TIMEOUT')) throw error;
    const patient = { clock: context.clock, signal: AbortSignal.timeout(CANCEL_MS) };
    await vcenter.send({ method: 'POST', path, query: { action: 'cancel' } }).catch(() => {});
    await waitFor(`cancelling ${what}`, { ...waiting, timeoutMs: CANCEL_MS }, patient, probe).catch(() => {});
    throw error;
  }
}

const CANCEL_MS = 120_000;

/** An error in vCenter's words. */
export function taskFailed(what: string, error: unknown): KibError {
  const words = [...new Set(wordsOf(error))].join('; ') || 'no reason was given';
  const code = isFull(words) ? 'KIB_VSPHERE_STORAGE' : 'KIB_VSPHERE_TASK';
  return new KibError(code, `${what} failed: ${words}`, {
    hint:
      code === 'KIB_VSPHERE_STORAGE'
        ? 'free some space on the datastore, or choose another one with driver.datastore'
        : undefined,
  });
}

/** The messages in an error of any of the APIs: `default_message`, `localizedMessage`. */
function wordsOf(error: unknown): readonly string[] {
  if (typeof error === 'string') return [error];
  if (Array.isArray(error)) return error.flatMap(wordsOf);
  if (typeof error !== 'object' || error === null) return [];
  return Object.entries(error).flatMap(([key, value]: [string, unknown]) => {
    if ((key === 'default_message' || key === 'localizedMessage') && typeof value === 'string' && value !== '') return [value];
    return typeof value === 'object' ? wordsOf(value) : [];
  });
}
