import { isKibError, type Span, throwIfAborted } from '../../core/index.ts';
import type { HttpClient } from '../../io/http.ts';
import { isNetworkFailure } from '../../io/http-error.ts';
import { isImmutable } from './content-kind.ts';
import type { PackageCacheStats } from './stats.ts';
import type { OpenFile, PackageStore, StoredFile } from './store.ts';
import { type Head, Transfer, type TransferReader } from './transfer.ts';

export interface RelayOptions {
  readonly store: PackageStore;
  readonly http: HttpClient;
  /** Ends the downloads that this relay began. */
  readonly signal: AbortSignal;
  readonly span: Pick<Span, 'warn'>;
}

/** Where the bytes of an answer come from. Dispose it. */
export type Source = AsyncDisposable &
  Pick<StoredFile, 'etag' | 'lastModified' | 'contentType'> & {
    readonly bytes: number | undefined;
    /** `start` and `end` inclusive, only where `bytes` is known. */
    chunks(start?: number, end?: number): AsyncIterable<Buffer>;
  };

/** How long a server that gave no answer is not asked again for something we have an older copy of. */
const DOWN_MS = 30_000;
/** Downloads under way in this process, by address: builds in parallel share them. */
const running = new Map<string, Transfer>();

/** Gets what lies at an address from the store or its server. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #down = new Map<string, number>();
  readonly #served = new Set<string>();
  readonly #begun = new Set<Promise<void>>();
  #stats: PackageCacheStats = { hits: 0, misses: 0, bytesFromCache: 0, bytesFetched: 0 };

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  get stats(): PackageCacheStats {
    return this.#stats;
  }

  /**
   * The bytes at `url`, which the store knows by `key`. Throws KIB_HTTP when the server does not have it, or does not answer and there is no
   * copy either.
   */
  async get(url: string, key = url): Promise<Source> {
    const { store, http, span } = this.#options;
    let known = await store.find(key);
    if (known !== undefined && (isImmutable(url) ? known.isDoubted !== true : this.#isDown(url, http.clock.now()))) {
      const opened = await store.read(known);
      if (opened !== undefined) return this.#fromStore(opened);
      known = undefined;
    }
    const { reader, isOurs } = this.#join(url, key, known);
    let head: Head;
    try {
      head = await reader.head;
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throwIfAborted(this.#options.signal);
      if (known === undefined || !isNetworkFailure(error)) throw error;
      const opened = await store.read(known);
      if (opened === undefined) throw error;
      this.#down.set(new URL(url).origin, http.clock.now());
      span.warn('KIB_HTTP', `${new URL(url).host} does not answer; the guest gets what it said last time`);
      return this.#fromStore(opened);
    }
    if (head.kind === 'file') return this.#fromServer(reader, head, isOurs);
    await reader[Symbol.asyncDispose]();
    const opened = known === undefined ? undefined : await store.read(known);
    if (known?.isDoubted === true) await store.trust(key);
    // What it was not newer than is gone: from the start.
    return opened === undefined ? this.get(url, key) : this.#fromStore(opened);
  }

  /** Resolves when none of the downloads that this relay began goes on. */
  async settled(): Promise<void> {
    await Promise.all(this.#begun);
  }

  forgetServed(): void {
    this.#served.clear();
  }

  /** Lets the servers confirm what was served from the store since then, before it is served again. */
  async doubtServed(): Promise<void> {
    const urls = [...this.#served];
    this.#served.clear();
    for (const url of urls) await this.#options.store.doubt(url);
  }

  #join(url: string, key: string, known: StoredFile | undefined): { readonly reader: TransferReader; readonly isOurs: boolean } {
    const { store, http, signal } = this.#options;
    const name = `${store.folder}\n${key}`;
    const other = running.get(name)?.join();
    if (other !== undefined) return { reader: other, isOurs: false };
    const transfer = new Transfer({ url, key, known, http, store, signal });
    running.set(name, transfer);
    const forget = async () => {
      await transfer.settled;
      if (running.get(name) === transfer) running.delete(name);
      this.#begun.delete(settled);
    };
    const settled = forget();
    this.#begun.add(settled);
    const reader = transfer.join();
    if (reader === undefined) throw new Error('a transfer that just began is over');
    return { reader, isOurs: true };
  }

  #fromStore({ file, handle }: OpenFile): Source {
    this.#served.add(file.url);
    this.#count({ hits: 1, bytesFromCache: file.bytes });
    return {
      ...factsOf(file),
      bytes: file.bytes,
      chunks: (start = 0, end = file.bytes - 1) =>
        handle.createReadStream({ start, end, autoClose: false, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>,
      [Symbol.asyncDispose]: () => handle.close(),
    };
  }

  #fromServer(reader: TransferReader, head: Extract<Head, { kind: 'file' }>, isOurs: boolean): Source {
    this.#count(isOurs ? { misses: 1 } : { hits: 1 });
    const count = (bytes: number) => this.#count(isOurs ? { bytesFetched: bytes } : { bytesFromCache: bytes });
    return {
      ...factsOf(head),
      bytes: head.bytes,
      async *chunks(start = 0, end = Number.POSITIVE_INFINITY) {
        let position = 0;
        for await (const chunk of reader.chunks()) {
          count(chunk.length);
          const wanted = chunk.subarray(Math.max(0, start - position), Math.max(0, end + 1 - position));
          position += chunk.length;
          if (wanted.length > 0) yield wanted;
        }
      },
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  }

  #isDown(url: string, now: number): boolean {
    return now - (this.#down.get(new URL(url).origin) ?? Number.NEGATIVE_INFINITY) < DOWN_MS;
  }

  #count(more: Partial<PackageCacheStats>): void {
    const { hits, misses, bytesFromCache, bytesFetched } = this.#stats;
    this.#stats = {
      hits: hits + (more.hits ?? 0),
      misses: misses + (more.misses ?? 0),
      bytesFromCache: bytesFromCache + (more.bytesFromCache ?? 0),
      bytesFetched: bytesFetched + (more.bytesFetched ?? 0),
    };
  }
}

function factsOf({ etag, lastModified, contentType }: Pick<StoredFile, 'etag' | 'lastModified' | 'contentType'>) {
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

/** The status to hand on for a failure: the server's own where it spoke about the file, else 502. */
export function statusFor(error: unknown): number {
  const status = isKibError(error) ? error.details['status'] : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 502;
}
