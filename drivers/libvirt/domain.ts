import { isKibError, KibError } from '../../src/core/index.ts';
import { isNotFound, type Virsh } from './virsh.ts';

/** What `virsh domstate --reason` says. */
export interface DomainState {
  /** `running`, `paused`, `shut off` …; `undefined` when the domain is gone. */
  readonly state: string;
  /** `booted`, `shutdown` (by the guest itself), `destroyed`, `crashed`, `I/O error` … */
  readonly reason: string;
}

/** The state of a domain. */
export async function domainState(virsh: Virsh, name: string, signal: AbortSignal): Promise<DomainState> {
  try {
    return parseState(await virsh.run(['domstate', '--reason', name], signal));
  } catch (error) {
    if (isNotFound(error)) return { state: 'undefined', reason: 'somebody removed it' };
    throw error;
  }
}

/** Reads `shut off (crashed)`. */
export function parseState(text: string): DomainState {
  const [, state = text.trim(), reason = ''] = /^\s*([^(]*?)\s*\((.*)\)\s*$/.exec(text) ?? [];
  return { state, reason };
}

/** Whether the domain's machine is off. */
export function isOff({ state }: DomainState): boolean {
  return state === 'shut off' || state === 'crashed' || state === 'undefined';
}

/** The error for a domain that stopped by itself, or stands still. */
export function domainStopped(name: string, { state, reason }: DomainState): KibError {
  return new KibError('KIB_LIBVIRT_EXITED', `domain ${name} is ${state} (${reason})`, {
    hint:
      state === 'paused'
        ? 'the host could not read or write its disk: is the storage pool full?'
        : `/var/log/libvirt/qemu/${name}.log on the host has QEMU's last words`,
  });
}

/** Ends a domain and forgets it, its UEFI variables too; does nothing when it is gone. Says whether it was there. */
export async function removeDomain(virsh: Virsh, name: string): Promise<boolean> {
  const { signal } = new AbortController();
  try {
    await virsh.run(['destroy', name], signal);
  } catch (error) {
    if (!isNotFound(error) && !(isKibError(error) && error.details['failure'] === 'not-running')) throw error;
  }
  try {
    await virsh.run(['undefine', name, '--nvram', '--managed-save', '--snapshots-metadata'], signal);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
