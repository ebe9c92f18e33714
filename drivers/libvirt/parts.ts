import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, Scope } from '../../src/core/index.ts';

/**
 * What a machine is made of. `running` holds what it needs while it runs (domain, seed, console), `kept` what its disk needs (connection,
 * volumes). Both belong to the build's scope; disposing the parts releases `running` first and takes them out of it.
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
  const abandon = context.scope.defer('libvirt machine', () => all[Symbol.asyncDispose]());
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

/** Makes a folder for this user alone, journalled before it exists and removed with the scope. */
export async function ownFolder(
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

/** Name of a machine's domain, and how those of its volumes begin: no two machines have the same. */
export function machineName({ buildId }: Pick<Context, 'buildId'>): string {
  return `kib-${buildId}-${randomBytes(4).toString('hex')}`;
}
