import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import type { z } from 'zod';
import { type Context, KibError, Secret, throwIfAborted, withDeadline } from '../../src/core/index.ts';
import { openDispatcher } from '../../src/io/network.ts';
import { readSecret } from '../../src/io/read-secret.ts';
import { refused, unreachable } from './errors.ts';
import type { Place } from './options.ts';

/** What a client needs of a context. */
export type Reach = Pick<Context, 'clock' | 'network'> & { readonly signal: AbortSignal };

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/api/vcenter/vm`. */
  readonly path: string;
  /** A list gives the parameter several times. */
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: unknown;
  /**
   * Absent for what makes something: vCenter would go on making it, and nobody could tell when it is there to be removed. Such a call ends
   * by itself or at its deadline.
   */
  readonly signal?: AbortSignal;
  /** Default: two minutes. */
  readonly timeoutMs?: number;
}

const CONNECT_MS = 15_000;
const CALL_MS = 120_000;
const SESSION = 'vmware-api-session-id';
/** A body that brings nothing for this long is given up on. */
const STALL_MS = 60_000;

/**
 * A session with vCenter's REST API (`/api`, vSphere 7.0 U2). It logs in at the first call, once more when vCenter has forgotten the
 * session, and out when it is disposed.
 */
export class Vcenter implements AsyncDisposable {
  /** As options give it: `vcenter.example.org`. */
  readonly server: string;
  readonly #place: Place;
  readonly #password: Secret;
  readonly #dispatcher: Dispatcher;
  readonly #reach: Reach;
  #token: Promise<string> | undefined;
  #version: Promise<string> | undefined;

  private constructor(place: Place, password: Secret, dispatcher: Dispatcher, reach: Reach) {
    this.server = place.server;
    this.#place = place;
    this.#password = password;
    this.#dispatcher = dispatcher;
    this.#reach = reach;
  }

  /** Reads the password; asks nothing of vCenter yet. Throws KIB_SECRET_MISSING. */
  static async open(place: Place, reach: Reach): Promise<Vcenter> {
    const { password } = place;
    const secret = password instanceof Secret ? password : await readSecret(password, reach);
    const network = { ...reach.network, ...(place.caFile === undefined ? {} : { caFile: resolve(place.caFile) }) };
    return new Vcenter(place, secret, await openDispatcher(network, CONNECT_MS, { isInsecure: place.insecure }), reach);
  }

  get place(): Place {
    return this.#place;
  }

  /** For another client of the same host. */
  get network(): Pick<Reach, 'network'> {
    const { network } = this.#reach;
    return network === undefined ? {} : { network };
  }

  get clock(): Reach['clock'] {
    return this.#reach.clock;
  }

  /** Calls and reads the answer. Throws KIB_VSPHERE…, retryable where the same call may pass later. */
  async call<T>(call: Call, answer: z.ZodType<T>): Promise<T> {
    const body = await this.#answered(call);
    const parsed = answer.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new KibError('KIB_VSPHERE', `${this.server} gave an answer to ${call.method} ${call.path} that is none`, {
      details: { issues: parsed.error.issues.slice(0, 3) },
    });
  }

  /** The same where nothing comes back. */
  async send(call: Call): Promise<void> {
    await this.#answered(call);
  }

  /** API version of vCenter, `8.0.2.0`, as every vCenter tells it before any login. */
  async version(signal: AbortSignal): Promise<string> {
    this.#version ??= this.#readVersion(signal);
    this.#version.catch(() => {
      this.#version = undefined;
    });
    return this.#version;
  }

  /** Sends a file to where an update session wants it. */
  async upload(uri: string, body: Readable, bytes: number, signal: AbortSignal): Promise<void> {
    const url = this.#transferUrl(uri);
    const headers = {
      ...(await this.#transferHeaders(url)),
      'content-length': String(bytes),
      'content-type': 'application/octet-stream',
    };
    const answer = await this.#send(url, { method: 'PUT', headers, body, signal });
    const text = await answer.body.text();
    if (answer.statusCode >= 300)
      throw refused(this.server, { method: 'PUT', path: url.pathname }, answer.statusCode, json(text));
  }

  /** Hands the bytes of a download session's file to `sink`. */
  async download(uri: string, signal: AbortSignal, sink: (chunk: Buffer) => Promise<void>): Promise<number> {
    const url = this.#transferUrl(uri);
    const answer = await this.#send(url, { method: 'GET', headers: await this.#transferHeaders(url), signal });
    if (answer.statusCode !== 200) {
      throw refused(this.server, { method: 'GET', path: url.pathname }, answer.statusCode, json(await answer.body.text()));
    }
    const chunks = answer.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const onTimeout = () =>
      new KibError('KIB_VSPHERE_TIMEOUT', `the download from ${url.host} stalled for ${STALL_MS / 1000} s`, { retryable: true });
    let bytes = 0;
    try {
      for (;;) {
        const next = await withDeadline({ ms: STALL_MS, clock: this.clock, signal, onTimeout }, () => chunks.next()).catch(
          (error: unknown) => {
            throwIfAborted(signal);
            throw unreachable(url.host, error);
          },
        );
        if (next.done === true) return bytes;
        bytes += next.value.length;
        await sink(next.value);
      }
    } finally {
      answer.body.destroy();
    }
  }

  /** Logs out. Never throws: a session that nobody uses ends by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    const token = await this.#token?.catch(() => undefined);
    this.#token = undefined;
    if (token !== undefined) {
      const out = this.#send(this.#url({ path: '/api/session' }), {
        method: 'DELETE',
        headers: { [SESSION]: token },
        signal: AbortSignal.timeout(10_000),
      });
      await out.then(({ body }) => body.dump()).catch(() => {});
    }
    await this.#dispatcher.destroy();
  }

  async #answered(call: Call): Promise<unknown> {
    const never = new AbortController();
    const { signal = never.signal, timeoutMs: ms = CALL_MS } = call;
    const onTimeout = () =>
      new KibError(
        'KIB_VSPHERE_TIMEOUT',
        `${this.server} did not answer ${call.method} ${call.path} in ${Math.round(ms / 1000)} s`,
        {
          retryable: true,
        },
      );
    return withDeadline({ ms, clock: this.clock, signal, onTimeout }, async (inner) => {
      const first = await this.#once(call, inner);
      // The session was idle for too long, or vCenter was restarted.
      const { status, body } = first.status === 401 ? await this.#once(call, inner, first.token) : first;
      if (status >= 300) throw refused(this.server, call, status, body);
      return body;
    });
  }

  async #once(call: Call, signal: AbortSignal, stale?: string) {
    const token = await this.#login(signal, stale);
    const answer = await this.#send(this.#url(call), {
      method: call.method,
      headers: {
        [SESSION]: token,
        accept: 'application/json',
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      signal,
    });
    return { token, status: answer.statusCode, body: json(await answer.body.text()) };
  }

  /** One login for all calls that wait for it. */
  async #login(signal: AbortSignal, stale: string | undefined): Promise<string> {
    const current = this.#token;
    if (current !== undefined && (await current.catch(() => undefined)) === stale && this.#token === current)
      this.#token = undefined;
    this.#token ??= this.#newToken(signal);
    const token = this.#token;
    token.catch(() => {
      if (this.#token === token) this.#token = undefined;
    });
    return token;
  }

  async #newToken(signal: AbortSignal): Promise<string> {
    const pair = `${this.#place.username}:${this.#password.reveal()}`;
    const answer = await this.#send(this.#url({ path: '/api/session' }), {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` },
      signal,
    });
    const body = json(await answer.body.text());
    if (answer.statusCode === 201 && typeof body === 'string') return body;
    throw refused(this.server, { method: 'POST', path: '/api/session' }, answer.statusCode, body);
  }

  async #readVersion(signal: AbortSignal): Promise<string> {
    const path = '/sdk/vimServiceVersions.xml';
    const answer = await this.#send(this.#url({ path }), { method: 'GET', signal });
    const text = await answer.body.text();
    const version = /<name>urn:vim25<\/name>\s*<version>([\d.]+)<\/version>/.exec(text)?.[1];
    if (answer.statusCode === 200 && version !== undefined) return version;
    throw new KibError(
      'KIB_VSPHERE_CONNECT',
      `${this.server} does not answer as vCenter does: GET ${path} gave ${answer.statusCode}`,
      {
        hint: 'is driver.server the vCenter Server, and not a host or a proxy before it?',
      },
    );
  }

  #url({ path, query = {} }: Pick<Call, 'path' | 'query'>): URL {
    const url = new URL(`https://${this.server}${path}`);
    for (const [key, value] of Object.entries(query)) {
      for (const one of typeof value === 'string' ? [value] : (value ?? [])) url.searchParams.append(key, one);
    }
    return url;
  }

  #transferUrl(uri: string): URL {
    if (URL.canParse(uri) && new URL(uri).protocol === 'https:') return new URL(uri);
    throw new KibError('KIB_VSPHERE', `${this.server} named ${uri} for a transfer, which is no https URL`);
  }

  /** Hosts that vCenter sends us to get no session of vCenter. */
  async #transferHeaders(url: URL): Promise<Record<string, string>> {
    const token = await this.#token;
    return token !== undefined && url.host === this.#url({ path: '/' }).host ? { [SESSION]: token } : {};
  }

  async #send(url: URL, options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'>): Promise<Dispatcher.ResponseData> {
    const signal = options.signal as AbortSignal;
    throwIfAborted(signal);
    try {
      const answer = await request(url, { ...options, dispatcher: this.#dispatcher });
      answer.body.on('error', () => {});
      return answer;
    } catch (error) {
      throwIfAborted(signal);
      throw unreachable(url.host, error);
    }
  }
}

function json(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
