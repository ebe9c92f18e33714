import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { type Clock, type Endpoint, errorMessage, isKibError, KibError, quote, retry, throwIfAborted } from '../core/index.ts';
import { connectClient, type HostLogin } from './host-login.ts';
import {
  abortable,
  abortableSession,
  type HostRunOptions,
  type HostRunResult,
  type HostSession,
  openSession,
  runProgram,
} from './host-program.ts';

const ATTEMPTS = 3;
const RETRY_MS = 500;

/**
 * An SSH login to a hypervisor's host. It connects when it is first needed, and again when the connection was lost in between. Errors are
 * KIB_HOST_UNREACHABLE (retryable), KIB_HOST_AUTH, KIB_HOST_KEY. Disposing closes the connection.
 */
export class SshHost implements AsyncDisposable {
  readonly login: HostLogin;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #client: Promise<Client> | undefined;
  #socket: Socket | undefined;

  constructor(login: HostLogin, clock: Clock) {
    this.login = login;
    this.#clock = clock;
  }

  /** Runs a program to its end. An abort ends the program's input, sends it SIGTERM and waits a moment for its end before it rejects. */
  async run(argv: readonly string[], options: HostRunOptions): Promise<HostRunResult> {
    const command = argv.map(quote).join(' ');
    try {
      return await runProgram(await this.#session(command, options.signal), options, this.#clock);
    } catch (error) {
      throwIfAborted(options.signal);
      throw this.#named(error);
    }
  }

  /** Opens a TCP connection from that host to an address that it reaches (RFC 4254 §7.2). */
  async dial(endpoint: Endpoint, signal: AbortSignal): Promise<Duplex> {
    const client = await this.#connected(signal);
    const opened = new Promise<Duplex>((resolve, reject) => {
      client.forwardOut('127.0.0.1', 0, endpoint.host, endpoint.port, (error, stream) => {
        if (error === undefined) resolve(stream);
        else reject(error);
      });
    });
    return abortable(signal, opened, (late) => late.destroy());
  }

  /** Lets this process end although the connection is open. */
  async unref(): Promise<void> {
    await this.#client;
    this.#socket?.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('the login was closed'));
    const client = await this.#client?.catch(() => undefined);
    client?.destroy();
  }

  /** Opens a session for a program; over a new connection when the one at hand turns out to be broken, since nothing has run yet. */
  async #session(command: string, signal: AbortSignal): Promise<HostSession> {
    const client = await this.#connected(signal);
    try {
      return await abortableSession(signal, openSession(client, command), this.#clock);
    } catch {
      throwIfAborted(signal);
      client.destroy();
      this.#client = undefined;
      return abortableSession(signal, openSession(await this.#connected(signal), command), this.#clock);
    }
  }

  async #connected(signal: AbortSignal): Promise<Client> {
    throwIfAborted(signal);
    // One attempt serves everybody who waits, so it does not end with the signal of one of them.
    this.#client ??= this.#connect();
    return abortable(signal, this.#client);
  }

  #connect(): Promise<Client> {
    const { signal } = this.#closing;
    const when = (error: unknown) => isKibError(error) && error.code === 'KIB_SSH_LOST';
    // A busy host drops one login or another (MaxStartups), and a handshake can go wrong.
    const attempts = retry({ attempts: ATTEMPTS, delayMs: RETRY_MS, clock: this.#clock, signal, when }, () =>
      connectClient(this.login, this.#clock, signal),
    );
    const client = attempts.then(
      ({ connected, socket }) => {
        this.#socket = socket;
        connected.once('close', () => {
          if (this.#client === client) this.#client = undefined;
        });
        return connected;
      },
      (error: unknown) => {
        if (this.#client === client) this.#client = undefined;
        throw this.#named(error);
      },
    );
    // Whoever waits has given up, perhaps.
    client.catch(() => {});
    return client;
  }

  // The guest's errors say who must act on a guest; here it is the owner of the host.
  #named(error: unknown): unknown {
    const { host, port } = this.login.endpoint;
    const { username } = this.login;
    if (!isKibError(error)) {
      const message = `SSH connection to ${host}:${port}: ${errorMessage(error)}`;
      return new KibError('KIB_HOST_UNREACHABLE', message, { cause: error, retryable: true });
    }
    if (error.code === 'KIB_SSH_AUTH') {
      return new KibError('KIB_HOST_AUTH', `${host}:${port} refused the login of ${username}`, {
        hint: `check with ssh -p ${port} ${username}@${host}; then keyFile or agent of the driver's options`,
        cause: error,
      });
    }
    if (error.code === 'KIB_SSH_HOSTKEY') {
      return new KibError('KIB_HOST_KEY', error.message, {
        hint: 'another host answers there, or its key was changed: set hostKey, or put its key into the known_hosts file',
        cause: error,
      });
    }
    if (error.code !== 'KIB_SSH_LOST') return error;
    return new KibError('KIB_HOST_UNREACHABLE', error.message, { cause: error, retryable: true });
  }
}

/** Whether a failed dial was refused by the SSH server's configuration (RFC 4254 §5.1: administratively prohibited). */
export function isForwardingForbidden(error: unknown): boolean {
  return (error as { reason?: unknown } | undefined)?.reason === 1 || /administratively prohibited/i.test(errorMessage(error));
}
