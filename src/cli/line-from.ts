import type { Readable } from 'node:stream';
import { KibError } from '../core/index.ts';

/** Waits until a line, or part of one, comes from a terminal that hands on whole lines; throws KIB_BREAKPOINT at its end, and the signal's reason. */
export async function lineFrom(input: Readable, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let release = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      const onData = () => resolve();
      const onEnd = () => reject(new KibError('KIB_BREAKPOINT', 'nobody can go on: standard input ended'));
      const onAbort = () => reject(signal.reason as Error);
      input.on('data', onData).on('end', onEnd).on('error', reject).resume();
      signal.addEventListener('abort', onAbort, { once: true });
      release = () => {
        input.off('data', onData).off('end', onEnd).off('error', reject);
        signal.removeEventListener('abort', onAbort);
      };
    });
  } finally {
    release();
    // A terminal that is read from keeps the process alive.
    input.pause();
  }
}
