import { stat } from 'node:fs/promises';
import type { Clock } from '../../src/core/index.ts';
import { MachineWatch, type WatchEnd } from '../../src/io/machine-watch.ts';
import { type DomainState, domainState, isOff } from './domain.ts';
import type { Virsh } from './virsh.ts';

export interface WatchedDomain {
  readonly virsh: Virsh;
  readonly name: string;
  /** Pool and name of the volume that the serial port writes to. */
  readonly pool: string;
  readonly console: string;
  /** File of this host that it is copied to. */
  readonly consolePath: string;
  readonly clock: Clock;
}

export type DomainWatch = MachineWatch<DomainState>;
export type DomainEnd = WatchEnd<DomainState>;

/**
 * Watches a domain and copies its console, which is read through libvirt, as a volume: on most hosts the file is root's, and a user of libvirt may
 * not open it. The caller disposes it.
 */
export function watchDomain({ virsh, name, pool, console, consolePath, clock }: WatchedDomain): DomainWatch {
  let copied = 0;
  return new MachineWatch<DomainState>({
    clock,
    async look(signal) {
      const state = await domainState(virsh, name, signal);
      return isOff(state) || isStuck(state) ? state : undefined;
    },
    async copyConsole(signal) {
      const args = ['vol-download', '--pool', pool, '--offset', String(copied), console];
      // What an aborted or broken copy has already written is not asked for again.
      try {
        await virsh.receive(args, consolePath, signal, 'append');
      } finally {
        copied = (await stat(consolePath)).size;
      }
    },
  });
}

// A guest whose disk cannot be written is paused for good; ours are never paused by us.
function isStuck({ state, reason }: DomainState): boolean {
  return state === 'paused' && /I\/O error|crashed|panicked|watchdog/i.test(reason);
}
