import { errorMessage, isKibError, KibError } from './errors.ts';

type Release = { readonly name: string; readonly run: () => Promise<void> | void };

/**
 * Owns resources and lets them go last-in first-out. A failing release never stops the others; all failures come out as one
 * KIB_LEAKED error. Disposing twice does nothing the second time.
 */
export class Scope implements AsyncDisposable {
  readonly #releases: Release[] = [];
  readonly #onRelease: ((name: string, error?: unknown) => void) | undefined;
  #closed = false;

  constructor(onRelease?: (name: string, error?: unknown) => void) {
    this.#onRelease = onRelease;
  }

  /** Registers a release and returns a function that takes it back (the resource was handed on or already freed). */
  defer(name: string, run: () => Promise<void> | void): () => void {
    if (this.#closed) throw new Error(`scope is closed; cannot own ${name}`);
    const release = { name, run };
    this.#releases.push(release);
    return () => {
      const index = this.#releases.indexOf(release);
      if (index !== -1) this.#releases.splice(index, 1);
    };
  }

  /** Owns a disposable and returns it. */
  use<T extends AsyncDisposable>(name: string, resource: T): T {
    this.defer(name, async () => {
      await resource[Symbol.asyncDispose]();
    });
    return resource;
  }

  /** Forgets everything without releasing it: the user keeps the machine, and the journal still knows what it is made of. */
  abandon(): void {
    this.#releases.length = 0;
  }

  /** Names of what is not released yet, next one first; the one being released now still counts. */
  get held(): readonly string[] {
    return this.#releases.map((release) => release.name).reverse();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const failures: { name: string; error: unknown }[] = [];
    for (let release = this.#releases.at(-1); release !== undefined; release = this.#releases.at(-1)) {
      try {
        await release.run();
        this.#onRelease?.(release.name);
      } catch (error) {
        failures.push({ name: release.name, error });
        this.#onRelease?.(release.name, error);
      } finally {
        const index = this.#releases.indexOf(release);
        if (index !== -1) this.#releases.splice(index, 1);
      }
    }
    if (failures.length === 0) return;
    throw new KibError(
      'KIB_LEAKED',
      `could not clean up ${failures.map((f) => `${f.name}: ${errorMessage(f.error)}`).join('; ')}`,
      {
        hint: 'kib-native gc',
        cause: failures.length === 1 ? failures[0]?.error : new AggregateError(failures.map((f) => f.error)),
      },
    );
  }
}

/** Runs `work` with a scope of its own, released afterwards; a failed release never hides why the work failed. */
export async function withScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  return releasing(
    () => scope[Symbol.asyncDispose](),
    () => work(scope),
  );
}

/** Runs `work`, then `release` whatever happened. When both fail the work's error is thrown, with the other one in `suppressed`. */
export async function releasing<T>(release: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  let value: T;
  try {
    value = await work();
  } catch (error) {
    try {
      await release();
    } catch (leak) {
      if (isKibError(error)) error.suppressed.push(leak);
    }
    throw error;
  }
  await release();
  return value;
}
