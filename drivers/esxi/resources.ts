import { randomBytes } from 'node:crypto';
import type { Clock, Context, Resource, Scope } from '../../src/core/index.ts';
import { absoluteLogin } from '../../src/transport/host-credentials.ts';
import { connectionSchema, type EsxiConnection, type EsxiOptions } from './options.ts';
import { connectEsxi, type EsxiShell } from './shell.ts';
import { findMachine, powerOff, unregister } from './vm.ts';

/** Name of a machine and of its folders, here and there: no two machines have the same. */
export function machineName({ buildId }: Pick<Context, 'buildId'>): string {
  return `kib-${buildId}-${randomBytes(4).toString('hex')}`;
}

/** What the journal keeps of a login: where to go and which files to read, no secret. */
export function connectionOf(options: EsxiOptions): EsxiConnection {
  const { host, port, username, password, keyFile, agent, knownHosts, hostKey } = options;
  return absoluteLogin(connectionSchema.parse({ host, port, username, password, keyFile, agent, knownHosts, hostKey }));
}

export type EsxiKind = 'esxi:vm' | 'esxi:path';

/**
 * Registers a thing in journal and scope before it is made. A machine’s id is the path of its .vmx, since its number is only known later. The
 * returned function says that it is somebody else’s from now on.
 */
export async function registered(
  resource: { readonly kind: EsxiKind; readonly id: string; readonly options: EsxiOptions },
  shell: EsxiShell,
  scope: Scope,
  { journal, clock }: Pick<Context, 'journal' | 'clock'>,
): Promise<() => Promise<void>> {
  const { kind, id, options } = resource;
  const released = await journal.acquire({ kind, id, data: { connection: JSON.stringify(connectionOf(options)) } });
  const forget = scope.defer(`${kind} ${id}`, async () => {
    await remove(kind, id, shell, clock);
    await released();
  });
  return async () => {
    forget();
    await released();
  };
}

/** Removes what a dead build left; the journal knows where. */
export async function reap({ kind, id, data }: Resource, clock: Clock): Promise<string> {
  const connection = data?.['connection'];
  if (connection === undefined) throw new Error(`${kind} ${id} does not say where it is`);
  const options = connectionSchema.parse(JSON.parse(connection));
  await using shell = await connectEsxi(options, clock, AbortSignal.timeout(REAP_MS));
  return (await remove(kind, id, shell, clock)) ? `removed from ${shell.place}` : 'was gone already';
}

const REAP_MS = 120_000;
const BUSY_TRIES = 20;
const BUSY_MS = 500;

/** Returns whether there was anything. */
async function remove(kind: string, id: string, shell: EsxiShell, clock: Clock): Promise<boolean> {
  const { signal } = new AbortController();
  if (kind === 'esxi:vm') {
    const vmid = await findMachine(shell, id, signal);
    if (vmid === undefined) return false;
    await powerOff(shell, vmid, clock, signal);
    await unregister(shell, vmid, signal);
    return true;
  }
  // Only ever a folder of ours, whatever stands in the journal.
  if (!/^\/vmfs\/volumes\/[^/]+\/.*[^/]$/.test(id) || id.split('/').includes('..'))
    throw new Error(`${id} is no folder of a machine`);
  if (!(await shell.exists(id, signal))) return false;
  for (let attempt = 1; ; attempt++) {
    try {
      await shell.run(['rm', '-rf', id], signal);
      return true;
    } catch (error) {
      // A copy that was cut short holds its files a moment longer.
      if (attempt === BUSY_TRIES) throw error;
    }
    await clock.sleep(BUSY_MS);
  }
}
