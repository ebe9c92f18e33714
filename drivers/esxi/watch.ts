import { appendFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import type { Clock } from '../../src/core/index.ts';
import { MachineWatch, type WatchEnd } from '../../src/io/machine-watch.ts';
import { type EsxiShell, failedAs } from './shell.ts';
import { type PowerState, powerState } from './vm.ts';

const BLOCK = 4096;

export interface WatchedVm {
  readonly shell: EsxiShell;
  readonly vmid: string;
  /** File of the host that the serial port writes to, and file of this host that it is copied to. */
  readonly console: string;
  readonly consolePath: string;
  readonly clock: Clock;
}

export type OffState = Exclude<PowerState, 'on'>;
export type EsxiWatch = MachineWatch<OffState>;
export type EsxiEnd = WatchEnd<OffState>;

/** Watches a machine and copies its console. The caller disposes it. */
export function watchVm(watched: WatchedVm): EsxiWatch {
  const { shell, vmid, clock } = watched;
  let copied = 0;
  return new MachineWatch<OffState>({
    clock,
    async look(signal) {
      const state = await powerState(shell, vmid, signal);
      return state === 'on' ? undefined : state;
    },
    async copyConsole(signal) {
      copied += await copyFrom(copied, watched, signal);
    },
  });
}

/** Returns how many bytes were new. dd is what every shell has; it counts in blocks, so the first one may come a second time. */
async function copyFrom(copied: number, { shell, console, consolePath }: WatchedVm, signal: AbortSignal): Promise<number> {
  const skip = Math.floor(copied / BLOCK);
  const chunks: Buffer[] = [];
  const collected = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  try {
    await shell.stream(['dd', `if=${console}`, `bs=${BLOCK}`, `skip=${skip}`], collected, signal);
  } catch (error) {
    // Before the first byte there may be no file.
    if (failedAs(error, 'not-found') && copied === 0) return 0;
    throw error;
  }
  const fresh = Buffer.concat(chunks).subarray(copied - skip * BLOCK);
  if (fresh.length > 0) await appendFile(consolePath, fresh);
  return fresh.length;
}
