import { createReadStream } from 'node:fs';
import { Readable, type Writable } from 'node:stream';
import { type Clock, type Endpoint, isKibError, KibError, throwIfAborted, withDeadline } from '../../src/core/index.ts';
import { SshHost } from '../../src/transport/host.ts';
import { readHostLogin } from '../../src/transport/host-credentials.ts';
import { openTunnel, type Tunnel } from '../../src/transport/tunnel.ts';
import { type CsvRow, parseCsv } from './csv.ts';
import { type EsxiFailure, esxiError, isFault } from './faults.ts';
import type { EsxiConnection } from './options.ts';

/** What a command does takes a moment; what it copies takes its time. */
const COMMAND_MS = 120_000;

/** An SSH server only closes a program's input when its client is gone; this one ends then. */
const ENDS_WITH_INPUT = 'exec 3<&0; "$@" </dev/null & p=$!; { cat <&3; kill $p; } >/dev/null 2>&1 & wait $p';

/** The ESXi Shell of a host. Errors are KIB_ESXI…, and KIB_HOST_… when the host is not reached. */
export class EsxiShell implements AsyncDisposable {
  /** `root@host`. */
  readonly place: string;
  readonly #host: SshHost;
  readonly #clock: Clock;

  constructor(host: SshHost, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
    this.place = `${host.login.username}@${host.login.endpoint.host}`;
  }

  /** Runs a short command and returns what it printed. */
  async run(argv: readonly string[], signal: AbortSignal): Promise<string> {
    const onTimeout = () =>
      new KibError('KIB_ESXI', `${argv.slice(0, 2).join(' ')} did not end on ${this.place} within ${COMMAND_MS / 1000} s`, {
        retryable: true,
      });
    return withDeadline({ ms: COMMAND_MS, clock: this.#clock, signal, onTimeout }, (soon) => this.#exec(argv, { signal: soon }));
  }

  /** Runs a command that may take as long as it takes. When aborted it is ended there before this rejects. */
  async runLong(argv: readonly string[], signal: AbortSignal): Promise<string> {
    throwIfAborted(signal);
    const input = new Readable({ read: () => {} });
    const stop = () => input.push(null);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const words = ['sh', '-c', ENDS_WITH_INPUT, 'sh', ...argv];
      return await this.#exec(argv, { signal: new AbortController().signal, input }, words);
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      input.destroy();
    }
  }

  /** `vim-cmd` with one of its commands: `vmsvc/power.on 12`. */
  async vim(command: string, args: readonly string[], signal: AbortSignal): Promise<string> {
    return this.run(['vim-cmd', command, ...args], signal);
  }

  /** `esxcli` with its answer as a table. */
  async esxcli(words: readonly string[], signal: AbortSignal): Promise<readonly CsvRow[]> {
    return parseCsv(await this.run(['esxcli', '--formatter=csv', ...words], signal));
  }

  /** Whether a file or folder is there. */
  async exists(path: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#run(['test', '-e', path], { signal })).exitCode === 0;
  }

  /** Writes a file of the host, for its owner alone. */
  async upload(source: string, path: string, signal: AbortSignal): Promise<void> {
    await this.#exec(['sh', '-c', 'umask 077 && cat >"$1"', 'sh', path], { signal, input: createReadStream(source) });
  }

  /** Hands over what a command prints. */
  async stream(argv: readonly string[], output: Writable, signal: AbortSignal): Promise<void> {
    await this.#exec(argv, { signal, output });
  }

  /** Opens a port of this host that leads to an address which the ESXi host reaches. */
  async tunnel(target: Endpoint): Promise<Tunnel> {
    return openTunnel(this.#host, target);
  }

  /** Lets this process end although the connection stays open. */
  async unref(): Promise<void> {
    await this.#host.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }

  async #exec(argv: readonly string[], options: Parameters<SshHost['run']>[1], words = argv): Promise<string> {
    const { stdout, stderr, exitCode } = await this.#run(words, options);
    if (exitCode === 0 && !(argv[0] === 'vim-cmd' && isFault({ stdout, stderr }))) return stdout;
    throw esxiError({ argv, stdout, stderr, exitCode, place: this.place });
  }

  async #run(argv: readonly string[], options: Parameters<SshHost['run']>[1]) {
    const result = await this.#host.run(argv, options);
    throwIfAborted(options.signal);
    return result;
  }
}

/** Logs in and asks whether an ESXi host answers. The caller disposes it. */
export async function connectEsxi(options: EsxiConnection, clock: Clock, signal: AbortSignal): Promise<EsxiShell> {
  const { host, port, username } = options;
  const login = await readHostLogin({ endpoint: { host, port }, username }, options, { clock, signal });
  const shell = new EsxiShell(new SshHost(login, clock), clock);
  try {
    await productOf(shell, signal);
    return shell;
  } catch (error) {
    await shell[Symbol.asyncDispose]();
    throw error;
  }
}

/** `VMware ESXi 8.0.2 build-22380479`. */
export async function productOf(shell: EsxiShell, signal: AbortSignal): Promise<string> {
  const [row] = await shell.esxcli(['system', 'version', 'get'], signal);
  const { Product: product, Version: version, Build: build } = row ?? {};
  if (product !== undefined && version !== undefined) return `${product} ${version} ${build ?? ''}`.trim();
  throw new KibError('KIB_ESXI', `esxcli on ${shell.place} does not say which version of ESXi it is`);
}

/** Whether a command failed in a certain way. */
export function failedAs(error: unknown, failure: EsxiFailure): boolean {
  return isKibError(error) && error.details['failure'] === failure;
}
