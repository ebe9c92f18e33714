import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { appendFile, readFile, rm } from 'node:fs/promises';
import { type Clock, type Endpoint, isKibError, KibError, throwIfAborted, withDeadline } from '../../src/core/index.ts';
import { CommandError, run } from '../../src/io/process.ts';
import { SshHost } from '../../src/transport/host.ts';
import { readHostLogin } from '../../src/transport/host-credentials.ts';
import { openTunnel, type Tunnel } from '../../src/transport/tunnel.ts';
import { type VirshFailure, virshError } from './errors.ts';
import type { ConnectionOptions } from './options.ts';
import { libvirtUri } from './uri.ts';

/** What a command does takes a moment; what it transfers takes its time. */
const COMMAND_MS = 120_000;

/** virsh on libvirt's host. Errors are those of errors.ts, and KIB_HOST_… when the host is not reached. */
export interface Virsh extends AsyncDisposable {
  /** `this host`, `user@host`. */
  readonly place: string;
  readonly isRemote: boolean;
  /** Runs a command and returns what it printed. */
  run(args: readonly string[], signal: AbortSignal): Promise<string>;
  /** Runs a command whose last operand is a file that it reads: this one, of this host. */
  send(args: readonly string[], path: string, signal: AbortSignal): Promise<void>;
  /** Runs a command whose last operand is a file that it writes; the file of this host gets it, or gets longer by it. */
  receive(args: readonly string[], path: string, signal: AbortSignal, mode?: 'write' | 'append'): Promise<void>;
  /** Opens a port of this host that leads to an address which libvirt's host reaches; only where that is another host. */
  tunnel(target: Endpoint): Promise<Tunnel>;
  /** Lets this process end although the connection stays open. */
  unref(): Promise<void>;
}

/** The command for virsh(1), without its headings. */
export function virshArgv(uri: string, args: readonly string[]): readonly string[] {
  return ['virsh', '-q', '-c', uri, ...args];
}

/** Logs in where libvirt is another host's, and asks whether it answers. The caller disposes it. */
export async function connectVirsh(options: ConnectionOptions, clock: Clock, signal: AbortSignal): Promise<Virsh> {
  const { local, ssh } = libvirtUri(options.uri);
  const virsh =
    ssh === undefined ? new LocalVirsh(local, clock) : new RemoteVirsh(local, await readHostLogin(ssh, options), clock);
  try {
    await virsh.run(['uri'], signal);
    return virsh;
  } catch (error) {
    await virsh[Symbol.asyncDispose]();
    throw error;
  }
}

abstract class AnyVirsh {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs work with the deadline of a short command. */
  protected soon<T>(args: readonly string[], signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const onTimeout = () =>
      new KibError('KIB_LIBVIRT', `virsh ${args[0]} did not end within ${COMMAND_MS / 1000} s`, { retryable: true });
    return withDeadline({ ms: COMMAND_MS, clock: this.#clock, signal, onTimeout }, work);
  }
}

class LocalVirsh extends AnyVirsh implements Virsh {
  readonly place = 'this host';
  readonly isRemote = false;
  readonly #uri: string;

  constructor(uri: string, clock: Clock) {
    super(clock);
    this.#uri = uri;
  }

  async run(args: readonly string[], signal: AbortSignal): Promise<string> {
    return this.soon(args, signal, (soon) => this.#exec(args, soon));
  }

  async send(args: readonly string[], path: string, signal: AbortSignal): Promise<void> {
    await this.#exec([...args, path], signal);
  }

  async receive(args: readonly string[], path: string, signal: AbortSignal, mode: 'write' | 'append' = 'write'): Promise<void> {
    if (mode === 'write') {
      await this.#exec([...args, path], signal);
      return;
    }
    // virsh opens what it is given anew, and so cannot be given a pipe of Node's, which are sockets.
    const part = `${path}.part`;
    try {
      await this.#exec([...args, part], signal);
      await appendFile(path, await readFile(part));
    } finally {
      await rm(part, { force: true });
    }
  }

  async tunnel(): Promise<Tunnel> {
    return Promise.reject(new Error('the guests of this host need no tunnel'));
  }

  async unref(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  async #exec(args: readonly string[], signal: AbortSignal): Promise<string> {
    const [program = '', ...words] = virshArgv(this.#uri, args);
    try {
      return (await run(program, words, { signal })).stdout;
    } catch (error) {
      if (error instanceof CommandError)
        throw virshError({ args, stderr: error.stderr, exitCode: error.exitCode, place: this.place });
      throw error;
    }
  }
}

class RemoteVirsh extends AnyVirsh implements Virsh {
  readonly place: string;
  readonly isRemote = true;
  readonly #uri: string;
  readonly #host: SshHost;

  constructor(uri: string, login: ConstructorParameters<typeof SshHost>[0], clock: Clock) {
    super(clock);
    this.#uri = uri;
    this.#host = new SshHost(login, clock);
    this.place = `${login.username}@${login.endpoint.host}`;
  }

  async run(args: readonly string[], signal: AbortSignal): Promise<string> {
    return this.soon(args, signal, (soon) => this.#exec(args, { signal: soon }));
  }

  async send(args: readonly string[], path: string, signal: AbortSignal): Promise<void> {
    await this.#exec([...args, '/dev/stdin'], { signal, input: createReadStream(path) });
  }

  async receive(args: readonly string[], path: string, signal: AbortSignal, mode: 'write' | 'append' = 'write'): Promise<void> {
    const file = createWriteStream(path, { flags: mode === 'append' ? 'a' : 'w', mode: 0o600 });
    try {
      await once(file, 'open');
      await this.#exec([...args, '/dev/stdout'], { signal, output: file });
    } finally {
      await new Promise<void>((resolve) => {
        file.end(() => resolve());
        file.once('close', () => resolve());
      });
    }
  }

  async tunnel(target: Endpoint): Promise<Tunnel> {
    return openTunnel(this.#host, target);
  }

  async unref(): Promise<void> {
    await this.#host.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }

  async #exec(args: readonly string[], options: Parameters<SshHost['run']>[1]): Promise<string> {
    const { stdout, stderr, exitCode } = await this.#host.run(['env', 'LC_ALL=C', ...virshArgv(this.#uri, args)], options);
    throwIfAborted(options.signal);
    if (exitCode === 0) return stdout;
    throw virshError({ args, stderr, exitCode, place: this.place });
  }
}

/** Whether virsh said that something is not there. */
export function isNotFound(error: unknown): boolean {
  return isKibError(error) && (error.details['failure'] as VirshFailure | undefined) === 'not-found';
}

/** Whether virsh said that something is there already. */
export function isTaken(error: unknown): boolean {
  return isKibError(error) && (error.details['failure'] as VirshFailure | undefined) === 'taken';
}
