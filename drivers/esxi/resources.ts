import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type Context, type Resource, Scope } from '../../src/core/index.ts';
import { absoluteLogin } from '../../src/transport/host-credentials.ts';
import { connectionSchema, type EsxiConnection, type EsxiOptions } from './options.ts';
import { connectEsxi, type EsxiShell } from './shell.ts';
import { findMachine, powerOff, unregister } from './vm.ts';

/**
 * What a machine is made of. `running` holds what it needs while it runs (its registration), `kept` what its disk needs (connection, folders).
 * Both belong to the build's scope; disposing the parts releases `running` first and takes them out of it.
 */
export interface MachineParts extends AsyncDisposable {
  readonly running: Scope;
  readonly kept: Scope;
  /** Leaves everything as it is for good; only the journal still knows. */
  abandon(): void;
}

export function machineParts(context: Pick<Context, 'scope'>): MachineParts {
  const all = new Scope();
  const kept = all.use('disk', new Scope());
  const running = all.use('machine', new Scope());
  const abandon = context.scope.defer('ESXi machine', () => all[Symbol.asyncDispose]());
  return {
    running,
    kept,
    abandon,
    async [Symbol.asyncDispose]() {
      try {
        await all[Symbol.asyncDispose]();
      } finally {
        abandon();
      }
    },
  };
}

/** Name of a machine and of its folders, here and there: no two machines have the same. */
export function machineName({ buildId }: Pick<Context, 'buildId'>): string {
  return `kib-${buildId}-${randomBytes(4).toString('hex')}`;
}

/** Makes a folder of this host for this user alone, journalled before it exists and removed with the scope. */
export async function localFolder(
  name: string,
  scope: Scope,
  { journal, dirs }: Pick<Context, 'journal' | 'dirs'>,
): Promise<string> {
  const path = join(dirs.work, name);
  const released = await journal.acquire({ kind: 'path', id: path });
  scope.defer(`folder ${path}`, async () => {
    await rm(path, { recursive: true, force: true });
    await released();
  });
  await mkdir(path, { mode: 0o700 });
  return path;
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
