import { z } from 'zod';
import { type Context, KibError, maskUrl, sha256 } from '../../core/index.ts';
import { HASTE, withinHaste } from '../../io/haste.ts';
import { HttpClient } from '../../io/http.ts';
import { isNotModified } from '../../io/http-error.ts';
import { cachePath, readCacheFile, writeCacheFile } from '../cache-file.ts';

/** An index file is some hundred kilobytes. */
const MAX_BYTES = 32 * 1024 * 1024;
/** How exact the age of an earlier answer has to be; saves writing it down at every build. */
const AGE_MS = 600_000;

const seenSchema = z.object({
  v: z.literal(1),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  seenMs: z.number(),
  text: z.string(),
});

type Kept = z.infer<typeof seenSchema>;

/** A text as a server has it, or had it. */
export interface Seen {
  readonly text: string;
  /** Milliseconds since the epoch: when the server last said so. */
  readonly seenMs: number;
}

/** Small texts on servers that change now and then. Each is remembered, so that the server only has to say that it is still the same. */
export class SeenTexts implements AsyncDisposable {
  readonly #context: Context;
  readonly #quick: HttpClient;
  readonly #patient: HttpClient;
  readonly #isHasty: boolean;

  private constructor(context: Context, quick: HttpClient, patient: HttpClient, isHasty: boolean) {
    this.#context = context;
    this.#isHasty = isHasty;
    this.#quick = quick;
    this.#patient = patient;
  }

  /** `isHasty` is for a caller who has something else to go by than the text. */
  static async open(context: Context, { isHasty = false } = {}): Promise<SeenTexts> {
    return new SeenTexts(context, await HttpClient.open(context, HASTE), await HttpClient.open(context), isHasty);
  }

  /** The text as it is now. Throws KIB_HTTP; soon, when in haste or when there is an earlier text. */
  async fetch(url: string, signal: AbortSignal): Promise<Seen> {
    const path = this.#path(url);
    const known = await readCacheFile(path, seenSchema);
    const isPatient = known === undefined && !this.#isHasty;
    const seen = isPatient ? await this.#fetchPatiently(url, signal) : await this.#fetchQuickly(url, known, signal);
    const isSame = seen.text === known?.text && seen.etag === known.etag && seen.lastModified === known.lastModified;
    if (!isSame || seen.seenMs - known.seenMs > AGE_MS) await writeCacheFile(path, seen, this.#context);
    return seen;
  }

  /** What the server said the last time. */
  earlier(url: string): Promise<Seen | undefined> {
    return readCacheFile(this.#path(url), seenSchema);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#quick[Symbol.asyncDispose]();
    await this.#patient[Symbol.asyncDispose]();
  }

  #fetchPatiently(url: string, signal: AbortSignal): Promise<Kept> {
    return this.#patient.retrying({ signal }, () => this.#get(this.#patient, url, undefined, signal));
  }

  #fetchQuickly(url: string, known: Kept | undefined, outer: AbortSignal): Promise<Kept> {
    const http = this.#quick;
    return withinHaste(url, http, outer, (options) => http.retrying(options, () => this.#get(http, url, known, options.signal)));
  }

  async #get(http: HttpClient, url: string, known: Kept | undefined, signal: AbortSignal): Promise<Kept> {
    const headers = {
      ...(known?.etag === undefined ? {} : { 'if-none-match': known.etag }),
      ...(known?.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }),
    };
    try {
      const { text, etag, lastModified } = await readText(http, url, headers, signal);
      const validators = { ...(etag === undefined ? {} : { etag }), ...(lastModified === undefined ? {} : { lastModified }) };
      return { v: 1, text, seenMs: this.#context.clock.now(), ...validators };
    } catch (error) {
      if (known === undefined || !isNotModified(error)) throw error;
      return { ...known, seenMs: this.#context.clock.now() };
    }
  }

  #path(url: string): string {
    return cachePath(this.#context, 'repositories', 'seen', `${sha256(url)}.json`);
  }
}

async function readText(
  http: HttpClient,
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly etag: string | undefined; readonly lastModified: string | undefined }> {
  const response = await http.get(url, { headers, signal });
  const chunks: Buffer[] = [];
  await http.read(url, response.body, signal, (chunk, received) => {
    if (received > MAX_BYTES) {
      throw new KibError('KIB_HTTP', `GET ${maskUrl(url)} sent more than the ${MAX_BYTES} bytes such a file may have`);
    }
    chunks.push(chunk);
  });
  const text = Buffer.concat(chunks).toString('utf8');
  return { text, etag: response.headers['etag'], lastModified: response.headers['last-modified'] };
}
