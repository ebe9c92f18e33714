import type { Duplex } from 'node:stream';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import {
  type Clock,
  type Credentials,
  cancelled,
  type Endpoint,
  type ExecEnd,
  type ExecOptions,
  errorMessage,
  type KibError,
  type TransferOptions,
  type Transport,
  throwIfAborted,
  withDeadline,
} from '../core/index.ts';
import { dialSsh } from './dial.ts';
import { classifySshError, hostKeyMismatch, sshLost } from './errors.ts';
import { downloadFile, uploadFile } from './sftp.ts';

export interface ConnectOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** From the server's greeting to a finished login. */
  readonly readyTimeoutMs: number;
  /** Until the server greets; default `readyTimeoutMs`. */
  readonly greetingTimeoutMs?: number;
}

/** A connection is given up when this many keep-alives in a row stay without an answer. */
const KEEPALIVE = { keepaliveInterval: 10_000, keepaliveCountMax: 6 };
const CLOSE_GRACE_MS = 1000;
/** By number: what a name means depends on the guest. */
const LOOPBACK = '127.0.0.1';

/**
 * Logs in by the build's key, and only at a server that shows the pinned host key. Throws KIB_SSH_LOST (retryable; see sshServerSeen),
 * KIB_SSH_AUTH, KIB_SSH_HOSTKEY, or the signal's reason. Whoever calls disposes the transport.
 */
export async function connectSsh(endpoint: Endpoint, credentials: Credentials, options: ConnectOptions): Promise<Transport> {
  const { signal, clock, readyTimeoutMs } = options;
  const sock = await dialSsh(endpoint, { signal, clock, timeoutMs: options.greetingTimeoutMs ?? readyTimeoutMs });
  const client = new ssh2.Client();
  const pinned = Buffer.from(credentials.hostKey.split(' ')[1] ?? '', 'base64');
  let verdict: KibError | undefined;
  const login = () =>
    new Promise<void>((resolve, reject) => {
      client.once('ready', () => resolve());
      client.on('error', (error) => reject(verdict ?? classifySshError(error, endpoint, credentials.username)));
      client.once('close', () => reject(sshLost(endpoint, 'closed during the login', 'ssh')));
      client.connect({
        sock,
        username: credentials.username,
        privateKey: credentials.privateKey,
        authHandler: ['publickey'],
        hostVerifier: (shown: Buffer) => {
          if (shown.equals(pinned)) return true;
          verdict = hostKeyMismatch(endpoint, pinned, shown);
          return false;
        },
        readyTimeout: 0,
        ...KEEPALIVE,
      });
    });
  const onTimeout = () => sshLost(endpoint, `no login within ${readyTimeoutMs} ms`, 'ssh');
  try {
    await withDeadline({ ms: readyTimeoutMs, clock, signal, onTimeout }, login);
    return new SshTransport(client, { endpoint, isRoot: credentials.username === 'root' }, clock);
  } catch (error) {
    client.destroy();
    throw error;
  }
}

class SshTransport implements Transport {
  readonly isRoot: boolean;
  readonly closed: Promise<Error | undefined>;
  readonly #client: Client;
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  /** Aborted with KIB_SSH_LOST once the connection is gone. */
  readonly #gone = new AbortController();

  constructor(client: Client, { endpoint, isRoot }: { readonly endpoint: Endpoint; readonly isRoot: boolean }, clock: Clock) {
    this.#client = client;
    this.isRoot = isRoot;
    this.#endpoint = endpoint;
    this.#clock = clock;
    let reason: Error | undefined;
    client.on('error', (error) => {
      reason ??= error;
    });
    this.closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#gone.abort(sshLost(endpoint, reason === undefined ? 'closed' : errorMessage(reason), 'ssh', reason));
        resolve(reason);
      });
    });
  }

  async exec(command: string, options: ExecOptions): Promise<ExecEnd> {
    const lost = (reason: string, cause?: unknown) => sshLost(this.#endpoint, reason, 'ssh', cause);
    const start = (signal: AbortSignal) =>
      new Promise<ExecEnd>((resolve, reject) => {
        this.#client.exec(command, (error, channel) => {
          if (error !== undefined) reject(lost(errorMessage(error), error));
          else if (signal.aborted) channel.close();
          // At once: a short command's exit may stand in the very packet that opened the channel.
          else resolve(runChannel(channel, options, signal, () => lost('a command ended without exit status')));
        });
      });
    return this.#guarded(options.signal, start);
  }

  async upload(localPath: string, remotePath: string, options: TransferOptions): Promise<void> {
    await this.#guarded(options.signal, (signal) =>
      uploadFile(this.#client, this, localPath, remotePath, { ...options, signal }),
    );
  }

  async download(remotePath: string, localPath: string, options: TransferOptions): Promise<void> {
    await this.#guarded(options.signal, (signal) =>
      downloadFile(this.#client, this, remotePath, localPath, { ...options, signal }),
    );
  }

  async reverse(onConnection: (stream: Duplex) => void, caller: AbortSignal): Promise<number | undefined> {
    this.#client.on('tcp connection', (_details, accept) => onConnection(accept()));
    return this.#guarded(
      caller,
      () =>
        new Promise<number | undefined>((resolve) => {
          // An answer that is not success is a refusal (RFC 4254 §7.1); a lost connection is seen by the guard.
          this.#client.forwardIn(LOOPBACK, 0, (error, port) => resolve(error === undefined ? port : undefined));
        }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.end();
    await Promise.race([this.closed, this.#clock.sleep(CLOSE_GRACE_MS)]);
    this.#client.destroy();
  }

  /** Runs `work` and rejects as soon as the caller aborts or the connection is gone. */
  async #guarded<T>(caller: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    throwIfAborted(caller);
    throwIfAborted(this.#gone.signal);
    const signal = AbortSignal.any([caller, this.#gone.signal]);
    let onAbort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(cancelled(signal.reason));
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([work(signal), aborted]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}

function runChannel(
  channel: ClientChannel,
  options: ExecOptions,
  signal: AbortSignal,
  noStatus: () => KibError,
): Promise<ExecEnd> {
  return new Promise((resolve, reject) => {
    let end: ExecEnd | undefined;
    const onAbort = () => channel.close();
    signal.addEventListener('abort', onAbort, { once: true });
    channel.on('data', (chunk: Buffer) => options.onStdout?.(chunk));
    channel.stderr.on('data', (chunk: Buffer) => options.onStderr?.(chunk));
    channel.on('error', reject);
    channel.on('exit', (code: number | null, name?: string) => {
      end = { exitCode: code ?? undefined, signal: name ?? undefined };
    });
    channel.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      if (end === undefined) reject(noStatus());
      else resolve(end);
    });
    channel.end(options.stdin ?? '');
  });
}
