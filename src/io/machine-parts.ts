import { type Context, isKibError, Scope } from '../core/index.ts';

/**
 * What a machine is made of. `running` holds what it needs while it runs (process, domain, seed, console), `kept` what its disk needs. Both
 * belong to the build's scope; disposing the parts releases `running` first and takes them out of it.
 */
export interface MachineParts extends AsyncDisposable {
  readonly running: Scope;
  readonly kept: Scope;
  /** Leaves everything as it is for good; only the journal still knows. */
  abandon(): void;
}

/**
 * Runs `start` with the parts of a machine to be. When it throws they are released, and what could not be is in the error's `suppressed`.
 * `name` is what the build's scope calls the machine: `QEMU machine`.
 */
export async function withMachineParts<T>(
  name: string,
  context: Pick<Context, 'scope'>,
  start: (parts: MachineParts) => Promise<T>,
): Promise<T> {
  const parts = machineParts(name, context);
  try {
    return await start(parts);
  } catch (error) {
    try {
      await parts[Symbol.asyncDispose]();
    } catch (leak) {
      if (isKibError(error)) error.suppressed.push(leak);
    }
    throw error;
  }
}

function machineParts(name: string, context: Pick<Context, 'scope'>): MachineParts {
  const all = new Scope();
  const kept = all.use('disk', new Scope());
  const running = all.use('machine', new Scope());
  const abandon = context.scope.defer(name, () => all[Symbol.asyncDispose]());
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
