import { runInNewContext } from 'node:vm';
import { MiB } from '../core/index.ts';

/** Collecting as often as this takes some hundredths of the time that the bytes take (bench/README.md). */
const EVERY_BYTES = 4 * MiB;

let spent = 0;
let collector: { readonly collect: NodeJS.GCFunction | undefined } | undefined;

/**
 * Says that so many bytes of a stream were used up, and with them the buffers they came in. V8 lets 32 MB of these pile up before it looks for them; here they are
 * collected every few megabytes, in programs that run with --expose-gc, as ours does. In others this does nothing.
 */
export function noteSpent(bytes: number): void {
  spent += bytes;
  if (spent < EVERY_BYTES) return;
  spent = 0;
  // Where the flag was set after the start, only contexts that are made later have the function.
  collector ??= { collect: runInNewContext('globalThis.gc') as NodeJS.GCFunction | undefined };
  collector.collect?.({ type: 'minor' });
}
