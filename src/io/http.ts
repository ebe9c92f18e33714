import { addAbortSignal, type Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import { type Clock, type Context, KibError, maskUrl, retry, throwIfAborted, withDeadline } from '../core/index.ts';
import { requestedDelay, statusError, transferError } from './http-error.ts';
import { authorization, httpUrl, redirect } from './http-target.ts';
import { openDispatcher } from './network.ts';
import { noteSpent } from './spent-buffers.ts';

/** How long a server may be silent. */
export interface HttpDeadlines {
  /** Until a TCP or TLS connection stands. */
  readonly connectMs: number;
  /** Until the answer's headers are there, connecting included. */
  readonly answerMs: number;
  /** A body that brings fewer than `stallBytes` in `stallMs` is given up on. */
  readonly stallMs: number;
  readonly stallBytes: number;
}

const DEADLINES: HttpDeadlines = { connectMs: 15_000, answerMs: 60_000, stallMs: 30_000, stallBytes: 1024 };
const MAX_REDIRECTS = 10;
const ATTEMPTS = 5;

export interface HttpResponse {
  /** 200 or 206; 416 when a range was asked for. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The bytes as they were sent. Must be read to its end or destroyed. */
  readonly body: Readable;
}

export interface RequestOptions {
  readonly signal: AbortSignal;
  /** How often in a row it may fail before it is given up on; default 5. */
  readonly attempts?: number;
  /** Called before each further try with what went wrong. */
  readonly onRetry?: (error: unknown) => void;
}

/** GET over http and https, through proxies, with connections kept open between requests. Dispose it to close them. */
export class HttpClient implements AsyncDisposable {
  readonly deadlines: HttpDeadlines;
  readonly clock: Clock;
  readonly #dispatcher: Dispatcher;

  private constructor(dispatcher: Dispatcher, clock: Clock, deadlines: HttpDeadlines) {
    this.#dispatcher = dispatcher;
    this.clock = clock;
    this.deadlines = deadlines;
  }

  static async open(context: Pick<Context, 'clock' | 'network'>, deadlines: Partial<HttpDeadlines> = {}): Promise<HttpClient> {
    const all = { ...DEADLINES, ...deadlines };
    return new HttpClient(await openDispatcher(context.network ?? {}, all.connectMs), context.clock, all);
  }

  /** One GET, redirects followed, no retry. Throws KIB_HTTP for anything but 200, 206 and, with a range, 416. */
  async get(
    url: string,
    options: { readonly signal: AbortSignal; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<HttpResponse> {
    const first = httpUrl(url);
    let target = first;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const answer = await this.#send(
        target,
        options.headers ?? {},
        target.origin === first.origin ? first : undefined,
        options.signal,
      );
      const location = answer.statusCode >= 300 && answer.statusCode < 400 ? answer.headers['location'] : undefined;
      if (location === undefined) return accept(target, answer, options, this.clock.now());
      answer.body.destroy();
      target = redirect(target, String(location));
    }
    throw new KibError('KIB_HTTP', `GET ${maskUrl(url)} was redirected more than ${MAX_REDIRECTS} times`);
  }

  /** The bytes behind a URL, at most `maxBytes`; retries what may pass. */
  async bytes(url: string, options: RequestOptions & { readonly maxBytes: number }): Promise<Buffer> {
    return this.retrying(options, async () => {
      const response = await this.get(url, options);
      const chunks: Buffer[] = [];
      await this.read(url, response.body, options.signal, (chunk, received) => {
        if (received > options.maxBytes) {
          throw new KibError('KIB_HTTP', `GET ${maskUrl(url)} sent more than the ${options.maxBytes} bytes such a file may have`);
        }
        chunks.push(chunk);
      });
      return Buffer.concat(chunks);
    });
  }

  /** Hands a body to `sink` chunk by chunk, under the stall deadline. Throws KIB_HTTP when it breaks off, and what `sink` throws. */
  async read(
    url: string,
    body: Readable,
    signal: AbortSignal,
    sink: (chunk: Buffer, received: number) => Promise<void> | void,
  ): Promise<void> {
    const watch = new AbortController();
    let received = 0;
    addAbortSignal(signal, body);
    this.#watchStall(url, () => received, watch.signal).then(
      (error) => body.destroy(error),
      () => {},
    );
    const chunks = body[Symbol.asyncIterator]() as AsyncIterableIterator<Buffer>;
    try {
      for (;;) {
        const next = await chunks.next().catch((error: unknown) => {
          throwIfAborted(signal);
          throw transferError(new URL(url), error);
        });
        if (next.done === true) return;
        received += next.value.length;
        await sink(next.value, received);
        noteSpent(next.value.length);
      }
    } finally {
      watch.abort();
      body.destroy();
    }
  }

  /** Repeats `work` while it fails with something retryable; `progressed` tells whether the last try got further than any before. */
  async retrying<T>(options: RequestOptions & { readonly progressed?: () => boolean }, work: () => Promise<T>): Promise<T> {
    let failures = 0;
    return retry(
      {
        attempts: Number.POSITIVE_INFINITY,
        delayMs: 0,
        delayOf: (error) => requestedDelay(error) ?? 1000 * 2 ** (failures - 1),
        clock: this.clock,
        signal: options.signal,
        when: (error) => {
          // A transfer that gets on a stretch with each try may take as many as it needs.
          failures = options.progressed?.() === true ? 1 : failures + 1;
          return error instanceof KibError && error.retryable && failures < (options.attempts ?? ATTEMPTS);
        },
        onRetry: (error) => options.onRetry?.(error),
      },
      work,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #send(
    target: URL,
    headers: Readonly<Record<string, string>>,
    login: URL | undefined,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { answerMs } = this.deadlines;
    const onTimeout = () =>
      new KibError('KIB_HTTP', `GET ${maskUrl(target)} got no answer in ${answerMs / 1000} s`, {
        retryable: true,
        hint: 'check the network, and http_proxy, https_proxy and no_proxy if there is a proxy',
      });
    try {
      const answer = await withDeadline({ ms: answerMs, clock: this.clock, signal, onTimeout }, (inner) =>
        request(`${target.origin}${target.pathname}${target.search}`, {
          dispatcher: this.#dispatcher,
          signal: inner,
          // Files are wanted as they lie on the server, .tar.gz included.
          headers: { 'user-agent': 'kib-native', 'accept-encoding': 'identity', ...headers, ...authorization(login) },
        }),
      );
      // A body that is thrown away unread says so as an error event.
      answer.body.on('error', () => {});
      return answer;
    } catch (error) {
      throwIfAborted(signal);
      throw transferError(target, error);
    }
  }

  async #watchStall(url: string, received: () => number, signal: AbortSignal): Promise<KibError> {
    const { stallMs, stallBytes } = this.deadlines;
    for (let before = received(); ; before = received()) {
      await this.clock.sleep(stallMs, signal);
      if (received() - before >= stallBytes) continue;
      return new KibError('KIB_HTTP', `GET ${maskUrl(url)} stalled: ${received() - before} bytes in ${stallMs / 1000} s`, {
        retryable: true,
        hint: 'check the network; the download goes on where it stopped',
      });
    }
  }
}

/** Runs `work` with a client of its own and closes it afterwards. */
export async function withHttp<T>(
  context: Pick<Context, 'clock' | 'network'>,
  work: (http: HttpClient) => Promise<T>,
): Promise<T> {
  await using http = await HttpClient.open(context);
  return await work(http);
}

function accept(
  url: URL,
  answer: Dispatcher.ResponseData,
  options: { readonly headers?: Readonly<Record<string, string>> },
  now: number,
): HttpResponse {
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
  const { statusCode: status, body } = answer;
  if (status === 200 || (options.headers?.['range'] !== undefined && (status === 206 || status === 416)))
    return { status, headers, body };
  body.destroy();
  // Through a proxy undici loses the reason phrase, whatever its types say.
  const reason = (answer.statusText as string | undefined) ?? '';
  throw statusError(url, status, reason, headers['retry-after'], now);
}
