import { type Finding, formatBytes, isKibError, KibError, systemClock, throwIfAborted } from '../../src/core/index.ts';
import { findTools } from '../../src/io/programs.ts';
import { hostPrograms } from './launch.ts';
import type { EsxiOptions } from './options.ts';
import { hasGuestIpHack, requireDatastore, requirePortGroup } from './place.ts';
import { connectEsxi, type EsxiShell, productOf } from './shell.ts';

/** What this driver needs of this host and of the ESXi one. Changes nothing. */
export async function doctor(options: EsxiOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  throwIfAborted(signal);
  const tools = await findTools(hostPrograms(options));
  const shell = await orError(() => connectEsxi(options, systemClock, signal), signal);
  if (shell instanceof KibError) return [...tools, problem('ESXi Shell over SSH', shell)];
  try {
    const detail = `${shell.place}: ${await productOf(shell, signal)}`;
    return [
      ...tools,
      { name: 'ESXi Shell over SSH', status: 'ok', detail },
      await finding('datastore', signal, async () => {
        const free = await requireDatastore(shell, options, signal);
        return `${options.datastore}, ${formatBytes(free)} free`;
      }),
      await finding('port group', signal, async () => {
        await requirePortGroup(shell, options, signal);
        return options.network;
      }),
      await addresses(shell, signal),
    ];
  } finally {
    await shell[Symbol.asyncDispose]();
  }
}

async function addresses(shell: EsxiShell, signal: AbortSignal): Promise<Finding> {
  const name = 'guest addresses';
  const isOn = await orError(() => hasGuestIpHack(shell, signal), signal);
  if (isOn === true) return { name, status: 'ok', detail: 'GuestIPHack is on: the host sees them on the network' };
  return {
    name,
    status: 'warning',
    detail: 'GuestIPHack is off: only VMware Tools in the guest can tell its address',
    fix: 'esxcli system settings advanced set -o /Net/GuestIPHack -i 1',
  };
}

async function finding(name: string, signal: AbortSignal, look: () => Promise<string>): Promise<Finding> {
  const detail = await orError(look, signal);
  return detail instanceof KibError ? problem(name, detail) : { name, status: 'ok', detail };
}

function problem(name: string, error: KibError): Finding {
  return { name, status: 'missing', detail: error.message, ...(error.hint === undefined ? {} : { fix: error.hint }) };
}

// A finding instead of an exception, unless the caller wants to stop.
async function orError<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | KibError> {
  try {
    return await work();
  } catch (error) {
    throwIfAborted(signal);
    if (isKibError(error)) return error;
    throw error;
  }
}
