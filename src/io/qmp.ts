import { connect, type Socket } from 'node:net';
import { type Clock, cancelled, KibError, withDeadline } from '../core/index.ts';

/** An asynchronous message of QEMU: `SHUTDOWN`, `RESET`, `GUEST_PANICKED` … (QEMU QMP Reference Manual). */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch, by the host's clock. */
  readonly timestamp: number;
}

export interface QmpOptions {
  readonly clock: Clock;
  /** Bounds the handshake alone; a connection lives until it is closed. */
  readonly signal: AbortSignal;
  /** For the handshake, and for each command that names no other; default 30 000. */
  readonly timeoutMs?: number;
}

/**
 * Connects to QEMU's QMP socket and negotiates capabilities. Throws KIB_QMP, or the signal's reason. The caller disposes the connection.
 * A socket that is not there yet is the caller's to try again: the error's cause then carries the code ENOENT or ECONNREFUSED.
 */
export async function connectQmp(path: string, options: QmpOptions): Promise<QmpConnection> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const connection = new QmpConnection(connect(path), options.clock, timeoutMs);
  try {
    await withDeadline(
      { ms: timeoutMs, clock: options.clock, signal: options.signal, onTimeout: () => timedOut('the greeting', timeoutMs) },
      () => connection.greeted,
    );
    await connection.execute('qmp_capabilities', {}, { signal: options.signal });
    return connection;
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
}

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One QMP session (QEMU docs/interop/qmp-spec). Commands may overlap: replies are told apart by their id. */
export class QmpConnection implements AsyncDisposable {
  /** Resolves with QEMU's version, `7.2.22`, once it has greeted. */
  readonly greeted: Promise<string>;
  /** Resolves when the connection is gone, whoever closed it. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #nextId = 1;
  #rest = '';
  #gone: KibError | undefined;
  #greet: (version: string) => void = () => {};
  #refuse: (error: Error) => void = () => {};

  constructor(socket: Socket, clock: Clock, timeoutMs: number) {
    this.#socket = socket;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.greeted = new Promise((resolve, reject) => {
      this.#greet = resolve;
      this.#refuse = reject;
    });
    this.greeted.catch(() => {});
    let failure: Error | undefined;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', (error) => {
      failure = error;
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#fail(
          new KibError('KIB_QMP', `the QMP connection is gone${failure === undefined ? '' : `: ${failure.message}`}`, {
            cause: failure,
          }),
        );
        resolve();
      });
    });
  }

  /**
   * Runs a command and returns what `return` holds. Throws KIB_QMP with QEMU's own words when it refuses, does not answer within
   * `timeoutMs` or goes away, and the signal's reason when aborted; QEMU may still carry out the command then.
   */
  async execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    options: { readonly signal: AbortSignal; readonly timeoutMs?: number },
  ): Promise<unknown> {
    if (this.#gone !== undefined) throw this.#gone;
    const id = this.#nextId++;
    const ms = options.timeoutMs ?? this.#timeoutMs;
    try {
      return await withDeadline(
        { ms, clock: this.#clock, signal: options.signal, onTimeout: () => timedOut(command, ms) },
        () =>
          new Promise((resolve, reject) => {
            this.#pending.set(id, { command, resolve, reject });
            this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
          }),
      );
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Calls `listener` with every event from now on; the returned function ends that. */
  subscribe(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves with the next event of that name; rejects when the connection goes away or the signal aborts. */
  async next(name: string, signal: AbortSignal): Promise<QmpEvent> {
    let settle = (): void => {};
    try {
      return await new Promise<QmpEvent>((resolve, reject) => {
        const onAbort = (): void => reject(cancelled(signal.reason));
        if (signal.aborted) onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        const unsubscribe = this.subscribe((event) => {
          if (event.event === name) resolve(event);
        });
        this.closed.then(() => reject(this.#gone ?? new KibError('KIB_QMP', 'the QMP connection is gone')), reject);
        settle = () => {
          signal.removeEventListener('abort', onAbort);
          unsubscribe();
        };
      });
    } finally {
      settle();
    }
  }

  /** Closes the connection; commands under way reject with KIB_QMP. QEMU goes on running. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() === '') continue;
      try {
        this.#handle(JSON.parse(line) as Message);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        this.#socket.destroy(new Error(`not QMP: ${line.slice(0, 80)}`));
        return;
      }
    }
  }

  #handle(message: Message): void {
    if (message.QMP !== undefined) {
      const { major, minor, micro } = message.QMP.version.qemu;
      this.#greet(`${major}.${minor}.${micro}`);
    } else if (message.event !== undefined) {
      const { seconds = 0, microseconds = 0 } = message.timestamp ?? {};
      const event = {
        event: message.event,
        data: message.data ?? {},
        timestamp: seconds * 1000 + Math.floor(microseconds / 1000),
      };
      for (const listener of this.#listeners) listener(event);
    } else {
      const pending = message.id === undefined ? undefined : this.#pending.get(message.id);
      // A reply nobody waits for any more is dropped.
      if (pending === undefined) return;
      if (message.error === undefined) pending.resolve(message.return);
      else pending.reject(refused(pending.command, message.error));
    }
  }

  #fail(error: KibError): void {
    this.#gone ??= error;
    this.#refuse(error);
    for (const pending of this.#pending.values()) pending.reject(error);
  }
}

interface Message {
  readonly QMP?: {
    readonly version: { readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number } };
  };
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly timestamp?: { readonly seconds?: number; readonly microseconds?: number };
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

function refused(command: string, error: { readonly class: string; readonly desc: string }): KibError {
  return new KibError('KIB_QMP', `QEMU refused ${command}: ${error.desc}`, { details: { command, class: error.class } });
}

function timedOut(command: string, ms: number): KibError {
  return new KibError('KIB_QMP', `QEMU did not answer ${command} within ${ms / 1000} s`, { details: { command } });
}
