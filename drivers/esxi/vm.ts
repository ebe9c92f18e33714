import { type Clock, errorMessage, isKibError, KibError, throwIfAborted } from '../../src/core/index.ts';
import { type EsxiShell, failedAs } from './shell.ts';

const POLL_MS = 500;
const POWER_OFF_MS = 60_000;
const POWER_ON_TRIES = 4;

/** Registers a .vmx; returns the number that vim-cmd knows the machine by. Throws KIB_ESXI_NAME_TAKEN. */
export async function register(shell: EsxiShell, vmx: string, signal: AbortSignal): Promise<string> {
  try {
    const said = (await shell.vim('solo/registervm', [vmx], signal)).trim();
    if (/^\d+$/.test(said)) return said;
    throw new KibError('KIB_ESXI', `vim-cmd solo/registervm on ${shell.place} gave no number but: ${said}`);
  } catch (error) {
    if (!failedAs(error, 'taken')) throw error;
    throw new KibError('KIB_ESXI_NAME_TAKEN', `a machine ${vmx} is registered on ${shell.place} already`, {
      hint: 'vim-cmd vmsvc/getallvms lists them; vim-cmd vmsvc/unregister takes one out',
      cause: error,
    });
  }
}

/** Number of the machine that a .vmx belongs to; undefined when it is not registered. */
export async function findMachine(shell: EsxiShell, vmx: string, signal: AbortSignal): Promise<string | undefined> {
  const [, datastore = '', path = ''] = /^\/vmfs\/volumes\/([^/]+)\/(.+)$/.exec(vmx) ?? [];
  return (await machines(shell, signal)).find((line) => line.includes(` [${datastore}] ${path} `))?.split(/\s/)[0];
}

/** Whether a machine of that name is registered. */
export async function isNameTaken(shell: EsxiShell, name: string, signal: AbortSignal): Promise<boolean> {
  return (await machines(shell, signal)).some((line) =>
    new RegExp(`^\\d+\\s+${name.replaceAll('.', '\\.').replaceAll('+', '\\+')}\\s+\\[`).test(line),
  );
}

/** `12     name   [datastore1] folder/name.vmx   other4xLinux64Guest   vmx-17   notes`. */
async function machines(shell: EsxiShell, signal: AbortSignal): Promise<readonly string[]> {
  const lines = (await shell.vim('vmsvc/getallvms', [], signal)).split('\n');
  return lines.filter((line) => /^\d+\s/.test(line));
}

export type PowerState = 'on' | 'off' | 'suspended' | 'gone';

/** `Retrieved runtime info`, then the state. */
export async function powerState(shell: EsxiShell, vmid: string, signal: AbortSignal): Promise<PowerState> {
  let said: string;
  try {
    said = await shell.vim('vmsvc/power.getstate', [vmid], signal);
  } catch (error) {
    if (failedAs(error, 'not-found')) return 'gone';
    throw error;
  }
  const state = /^(?:Powered (on|off)|(Suspended))\s*$/m.exec(said);
  if (state === null) throw new KibError('KIB_ESXI', `vim-cmd on ${shell.place} says no power state: ${said.trim()}`);
  return state[1] === 'on' ? 'on' : state[1] === 'off' ? 'off' : 'suspended';
}

/** Powers a machine on; right after it was registered that may take more than one try. Throws KIB_ESXI_POWER with what the host said. */
export async function powerOn(shell: EsxiShell, vmid: string, log: string, clock: Clock, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    try {
      // Never cut short: who knows how far it came.
      await shell.vim('vmsvc/power.on', [vmid], new AbortController().signal);
      if ((await powerState(shell, vmid, signal)) === 'on') return;
      throw new KibError('KIB_ESXI', 'it is off right after');
    } catch (error) {
      throwIfAborted(signal);
      if (!isKibError(error) || !error.code.startsWith('KIB_ESXI')) throw error;
      if (attempt === POWER_ON_TRIES || error.code === 'KIB_ESXI_FULL') {
        throw new KibError('KIB_ESXI_POWER', `the machine does not power on on ${shell.place}: ${errorMessage(error)}`, {
          hint: `see ${log} on the host, with --on-error keep`,
          cause: error,
        });
      }
      await clock.sleep(1000 * attempt, signal);
    }
  }
}

/** Powers a machine off at once, and waits until it is; nothing when it is off or gone. */
export async function powerOff(shell: EsxiShell, vmid: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const deadline = clock.now() + POWER_OFF_MS;
  for (let first = true; ; first = false) {
    const state = await powerState(shell, vmid, signal);
    if (state === 'off' || state === 'gone') return;
    if (clock.now() >= deadline) throw new KibError('KIB_ESXI', `machine ${vmid} of ${shell.place} did not power off`);
    // It may have powered itself off in between.
    if (first) await shell.vim('vmsvc/power.off', [vmid], signal).catch(ignoreRefusal);
    else await clock.sleep(POLL_MS, signal);
  }
}

/** Takes a machine out of the inventory; its files stay. */
export async function unregister(shell: EsxiShell, vmid: string, signal: AbortSignal): Promise<void> {
  try {
    await shell.vim('vmsvc/unregister', [vmid], signal);
  } catch (error) {
    if (!failedAs(error, 'not-found')) throw error;
  }
}

function ignoreRefusal(error: unknown): void {
  if (!isKibError(error) || error.code !== 'KIB_ESXI') throw error;
}
