import { type Finding, isKibError, type KibError, throwIfAborted } from '../core/index.ts';

/** A KibError as a value, for those who report it. Other errors are thrown on, as is everything once the signal aborted. */
export async function orError<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | KibError> {
  try {
    return await work();
  } catch (error) {
    throwIfAborted(signal);
    if (isKibError(error)) return error;
    throw error;
  }
}

/** What doctor says of something that is not there or does not work. */
export function missingBecause(name: string, error: KibError, packages?: Finding['packages']): Finding {
  return {
    name,
    status: 'missing',
    detail: error.message,
    ...(error.hint === undefined ? {} : { fix: error.hint }),
    ...(packages === undefined ? {} : { packages }),
  };
}
