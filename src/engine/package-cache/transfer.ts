import { type FileHandle, open, rm } from 'node:fs/promises';
import { KiB, KibError, maskUrl, throwIfAborted } from '../../core/index.ts';
import { Hasher } from '../../io/hash.ts';
import type { HttpClient, HttpResponse } from '../../io/http.ts';
import { isImmutable, namedDigest } from './content-kind.ts';
import type { PackageStore, StoredFile } from './store.ts';

export interface TransferRequest {
  readonly url: string;
  /** The address to store it under. */
  readonly key: string;
  /** What is stored of it: the server may answer that it has nothing newer. */
  readonly known: StoredFile | undefined;
  readonly http: HttpClient;
  readonly store: PackageStore;
  readonly signal: AbortSignal;
}

/** What the server said before the bytes. */
export type Head =
  | { readonly kind: 'unchanged' }
  | ({ readonly kind: 'file'; readonly bytes: number | undefined } & Pick<StoredFile, 'etag' | 'lastModified' | 'contentType'>);

/** Somebody who follows a transfer; dispose it when it is not read any more. */
export interface TransferReader extends AsyncDisposable {
  /** Rejects with KIB_HTTP when the server does not have it or does not answer. */
  readonly head: Promise<Head>;
  /** The bytes as they come. Throws what broke the download off. */
  chunks(): AsyncGenerator<Buffer, void, void>;
}

const CHUNK_BYTES = 256 * KiB;
/** How often in a row a server may break off. */
const ATTEMPTS = 3;
const PAUSE_MS = 500;

/**
 * One download into the store, which any number of readers follow while it grows. It goes on without readers, and is added to the store only when
 * it is whole and has the digest its address promises.
 */
export class Transfer {
  readonly #head: Promise<Head>;
  /** Never rejects: resolves when nothing is written any more. */
  readonly settled: Promise<void>;
  readonly #request: TransferRequest;
  #handle: FileHandle | undefined;
  #path = '';
  #written = 0;
  #state: { readonly kind: 'running' | 'done' } | { readonly kind: 'failed'; readonly error: unknown } = { kind: 'running' };
  #wake: (() => void)[] = [];
  #readers = 0;

  constructor(request: TransferRequest) {
    this.#request = request;
    const answer = this.#ask({});
    this.#head = answer.then((response) => (response === undefined ? { kind: 'unchanged' } : headOf(response)));
    this.#head.catch(() => {});
    this.settled = this.#run(answer);
  }

  /** A new reader, from the start. Undefined when the transfer is over: look into the store. */
  join(): TransferReader | undefined {
    if (this.#state.kind !== 'running') return undefined;
    this.#readers++;
    let isOpen = true;
    return {
      head: this.#head,
      chunks: () => this.#read(),
      [Symbol.asyncDispose]: async () => {
        if (isOpen) this.#readers--;
        isOpen = false;
        await this.#closeUnused();
      },
    };
  }

  async *#read(): AsyncGenerator<Buffer, void, void> {
    for (let position = 0; ; ) {
      // The last byte waits until the whole is verified and stored.
      const ready = this.#written - (this.#state.kind === 'done' ? 0 : 1);
      if (position < ready && this.#handle !== undefined) {
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, ready - position));
        const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, position);
        if (bytesRead === 0)
          throw new KibError('KIB_TRANSFER', `the download of ${maskUrl(this.#request.url)} was changed on disk`);
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      } else if (this.#state.kind === 'failed') throw this.#state.error;
      else if (this.#state.kind === 'done') return;
      else await new Promise<void>((resolve) => void this.#wake.push(resolve));
    }
  }

  async #run(answer: Promise<HttpResponse | undefined>): Promise<void> {
    try {
      const response = await answer;
      if (response !== undefined) await this.#receive(response);
      this.#state = { kind: 'done' };
    } catch (error) {
      this.#state = { kind: 'failed', error };
    } finally {
      this.#advance();
      if (this.#path !== '') await rm(this.#path, { force: true });
      await this.#closeUnused();
    }
  }

  async #receive(first: HttpResponse): Promise<void> {
    const { url, key, http, store, signal } = this.#request;
    const named = namedDigest(url);
    const hasher = new Hasher(named?.algorithm ?? 'sha256');
    const head = headOf(first);
    this.#path = store.newPath();
    // Not handed over before the file is there to be read.
    const handle = await open(this.#path, 'wx+', 0o600).catch((error: unknown) => {
      first.body.destroy();
      throw error;
    });
    this.#handle = handle;
    let failures = 0;
    for (let response: HttpResponse | undefined = first; response !== undefined; ) {
      const before = this.#written;
      try {
        await http.read(url, response.body, signal, async (chunk) => {
          await handle.write(chunk, 0, chunk.length, this.#written);
          hasher.update(chunk);
          this.#written += chunk.length;
          this.#advance();
        });
        requireWhole(url, this.#written, head.bytes);
        response = undefined;
      } catch (error) {
        throwIfAborted(signal);
        failures = this.#written > before ? 1 : failures + 1;
        if (!(error instanceof KibError && error.retryable) || failures >= ATTEMPTS || this.#written === 0) throw error;
        await http.clock.sleep(PAUSE_MS, signal);
        response = await this.#resume(head, error);
      }
    }
    const { bytes, digests } = hasher.digest();
    if (named !== undefined && digests[named.algorithm] !== named.hex) {
      throw new KibError('KIB_DIGEST_MISMATCH', `${maskUrl(url)} is not the file its name promises`);
    }
    const { kind: _kind, bytes: _bytes, ...facts } = head;
    await store.add({ url: key, sha256: digests.sha256, bytes, ...facts }, this.#path);
  }

  /** Asks for what is missing. Throws `reason` when that cannot be had of the same version. */
  async #resume(head: Extract<Head, { kind: 'file' }>, reason: KibError): Promise<HttpResponse> {
    const validator = head.etag?.startsWith('"') === true ? head.etag : head.lastModified;
    if (validator === undefined && !isImmutable(this.#request.url)) throw reason;
    const range = { range: `bytes=${this.#written}-`, ...(validator === undefined ? {} : { 'if-range': validator }) };
    const response = await this.#ask(range);
    if (response?.status === 206 && response.headers['content-range']?.startsWith(`bytes ${this.#written}-`) === true)
      return response;
    response?.body.destroy();
    throw reason;
  }

  /** Undefined when the server says that what is stored is what it has. */
  async #ask(extra: Readonly<Record<string, string>>): Promise<HttpResponse | undefined> {
    const { url, known, http, signal } = this.#request;
    const headers = { ...extra, ...(extra['range'] === undefined ? conditions(known) : {}) };
    try {
      return await http.get(url, { signal, headers });
    } catch (error) {
      if (known !== undefined && error instanceof KibError && error.details['status'] === 304) return undefined;
      throw error;
    }
  }

  #advance(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }

  async #closeUnused(): Promise<void> {
    if (this.#state.kind === 'running' || this.#readers > 0) return;
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

function conditions(known: StoredFile | undefined): Record<string, string> {
  return {
    ...(known?.etag === undefined ? {} : { 'if-none-match': known.etag }),
    ...(known?.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }),
  };
}

function headOf({ headers }: HttpResponse): Extract<Head, { kind: 'file' }> {
  const length = headers['content-length'];
  const { etag, 'last-modified': lastModified, 'content-type': contentType } = headers;
  return {
    kind: 'file',
    bytes: length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined,
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

function requireWhole(url: string, got: number, want: number | undefined): void {
  if (want === undefined || got === want) return;
  throw new KibError('KIB_HTTP', `GET ${maskUrl(url)} broke off: want ${want} bytes, got ${got}`, { retryable: true });
}
