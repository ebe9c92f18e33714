/** Values pushed by callbacks and read one by one; what was pushed before the end or the failure is still read. */
export class Queue<T> {
  readonly #items: T[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake = (): void => {};

  push(...items: readonly T[]): void {
    this.#items.push(...items);
    this.#wake();
  }

  /** No more values. Only the first of `close` and `fail` counts. */
  close(): void {
    this.#end ??= {};
    this.#wake();
  }

  /** The reader gets `error` after the values already here. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }

  /** Resolves with the next value, or undefined at the end. One reader at a time. */
  async shift(): Promise<T | undefined> {
    while (this.#items.length === 0 && this.#end === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const item = this.#items.shift();
    if (item === undefined && this.#end !== undefined && 'error' in this.#end) throw this.#end.error;
    return item;
  }
}
