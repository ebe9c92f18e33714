import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  type Clock,
  formatDuration,
  isKibError,
  KibError,
  redactor,
  retry,
  type Sh,
  sh,
  type TransferOptions,
  type Transport,
  withDeadline,
} from '../core/index.ts';
import type { ScriptEvent } from './markers.ts';
import { playScript } from './play-script.ts';
import type { ScriptStep } from './script.ts';

/** Makes a new connection to the same guest; one try. */
export type Connector = (signal: AbortSignal) => Promise<Transport>;

export interface GuestOptions {
  readonly connect: Connector;
  readonly clock: Clock;
  /** Of the machine; timeouts inside the guest are multiplied by it. */
  readonly slowness: number;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Multiplied by the machine's slowness; default 60 000. */
  readonly timeoutMs?: number;
  /** Exit codes that are an answer, not a failure. Default: only 0. */
  readonly okCodes?: readonly number[];
}

export interface RunResult {
  readonly stdout: string;
  /** The last 4 KiB. */
  readonly stderr: string;
  readonly exitCode: number;
}

const RECONNECT = { attempts: 20, delayMs: 250, maxDelayMs: 3000 };
const REBOOT_POLL_MS = 500;
const REBOOT_ANSWER_MS = 10_000;
/** Exit codes of timeout(1) for a program that was over its time: 124, or 137 when it had to be killed. */
const TIMEOUT_CODES = [124, 137];

/**
 * A guest one is logged in to. Everything runs as root (with sudo once per script where the login is another's); a connection that broke is made anew for the next call.
 * Disposing closes the connection, not the machine.
 */
export class Guest implements AsyncDisposable {
  readonly slowness: number;
  readonly clock: Clock;
  readonly #connect: Connector;
  #transport: Transport;
  #isLost = false;
  #onConnection: (stream: Duplex) => void = () => {};
  #reverse: { readonly transport: Transport; readonly port: number | undefined } | undefined;

  constructor(transport: Transport, options: GuestOptions) {
    this.slowness = options.slowness;
    this.clock = options.clock;
    this.#connect = options.connect;
    this.#transport = transport;
    this.#adopt(transport);
  }

  static async connect(options: GuestOptions, signal: AbortSignal): Promise<Guest> {
    return new Guest(await options.connect(signal), options);
  }

  /** Runs steps as one script and yields what happens; see playScript. */
  async *script(
    steps: readonly ScriptStep[],
    options: { readonly onFailure: 'stop' | 'continue'; readonly signal: AbortSignal },
  ): AsyncGenerator<ScriptEvent, void, void> {
    yield* playScript(await this.#live(options.signal), steps, { ...options, clock: this.clock });
  }

  /** Runs a script with `set -eu`. Throws KIB_ACTION_FAILED with the end of its output, or KIB_ACTION_TIMEOUT. */
  async run(script: Sh, options: RunOptions): Promise<RunResult> {
    const timeoutMs = (options.timeoutMs ?? 60_000) * this.slowness;
    const step: ScriptStep = { script, timeoutMs, attempts: 1, pauseMs: 0, stderr: 'apart' };
    const out: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
    let stream: 'stdout' | 'stderr' = 'stdout';
    let end = { exitCode: 0, ms: 0 };
    for await (const event of this.script([step], { onFailure: 'continue', signal: options.signal })) {
      if (event.kind === 'output') out[stream].push(event.bytes);
      if (event.kind === 'stderr') stream = 'stderr';
      if (event.kind === 'end') end = event;
    }
    const result = {
      stdout: Buffer.concat(out.stdout).toString(),
      stderr: Buffer.concat(out.stderr).toString(),
      exitCode: end.exitCode,
    };
    if (isTimeout(end, timeoutMs))
      throw new KibError('KIB_ACTION_TIMEOUT', `a script in the guest took over ${timeoutMs} ms:\n${script.masked}`);
    if ((options.okCodes ?? [0]).includes(end.exitCode)) return result;
    const output = (result.stderr.trim() === '' ? result.stdout : result.stderr).trim().split('\n').slice(-10).join('\n');
    const said = redactor(script.secrets)(output);
    throw new KibError('KIB_ACTION_FAILED', `a script in the guest exited with ${end.exitCode}: ${said}`, {
      details: { exitCode: end.exitCode, script: script.masked },
    });
  }

  /** Copies a local file to a new path of the login user's, verified; returns the path. Remove it when done. */
  async stage(localPath: string, options: TransferOptions): Promise<string> {
    const path = `/var/tmp/kib-${randomBytes(8).toString('hex')}`;
    const transport = await this.#live(options.signal);
    try {
      await transport.upload(localPath, path, options);
      return path;
    } catch (error) {
      await this.remove([path], options.signal);
      throw error;
    }
  }

  /** Puts a local file at a path of the guest, as root:root 0644. */
  async upload(localPath: string, remotePath: string, options: TransferOptions): Promise<void> {
    const staged = await this.stage(localPath, options);
    await this.run(sh`chown root:root ${staged}; chmod 0644 ${staged}; mv -f ${staged} ${remotePath}`, {
      ...options,
      timeoutMs: 600_000,
    });
  }

  /** Brings any file of the guest here. */
  async download(remotePath: string, localPath: string, options: TransferOptions): Promise<void> {
    const path = `/var/tmp/kib-${randomBytes(8).toString('hex')}`;
    // The login user reads a copy of its own: what only root may read stays so.
    const copy = sh`install -m 0400 -o "\${SUDO_USER:-root}" ${remotePath} ${path}`;
    await this.run(copy, { signal: options.signal, timeoutMs: 600_000 });
    try {
      await (await this.#live(options.signal)).download(path, localPath, options);
    } finally {
      await this.remove([path], options.signal);
    }
  }

  /**
   * Port of the guest's loopback whose connections come to `onConnection`, the last one given; undefined when the guest's SSH server does not allow it. Ask
   * before every use: a new connection to the guest means a new port.
   */
  async reverse(onConnection: (stream: Duplex) => void, signal: AbortSignal): Promise<number | undefined> {
    const transport = await this.#live(signal);
    this.#onConnection = onConnection;
    if (this.#reverse?.transport === transport) return this.#reverse.port;
    const port = await transport.reverse?.((stream) => this.#onConnection(stream), signal);
    this.#reverse = { transport, port };
    return port;
  }

  /** Removes files of ours; never throws, since the guest may be gone. */
  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    if (paths.length === 0 || this.#isLost || signal.aborted) return;
    await this.run(sh`rm -f ${paths}`, { signal }).catch(() => {});
  }

  /** Changes with every boot: random(4), boot_id. */
  async bootId(signal: AbortSignal): Promise<string> {
    return (await this.run(sh`cat /proc/sys/kernel/random/boot_id`, { signal })).stdout.trim();
  }

  /** Reboots and waits until another boot id answers. Throws KIB_REBOOT_TIMEOUT after `timeoutMs` times slowness. */
  async reboot(options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<void> {
    await this.#withReturn('of its reboot', options, async (signal) => {
      const before = await this.bootId(signal);
      // Started in the background: an answer must get out before the network goes down.
      await this.run(sh`(sleep 1; systemctl reboot || reboot) >/dev/null 2>&1 &`, { signal });
      for (;;) {
        const now = await this.#askBootId(signal);
        if (now !== undefined && now !== before) return;
      }
    });
  }

  /** After a connection that broke: waits until the guest answers a new one and is not on its way down. Throws KIB_REBOOT_TIMEOUT as `reboot` does. */
  async awaitReturn(options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<void> {
    await this.#withReturn('after its connection broke', options, async (signal) => {
      while ((await this.#askBootId(signal)) === undefined);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }

  #withReturn(
    what: string,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const ms = timeoutMs * this.slowness;
    const onTimeout = () =>
      new KibError('KIB_REBOOT_TIMEOUT', `the guest did not answer again within ${formatDuration(ms)} ${what}`, {
        hint: 'console.log in the log folder shows how far it came',
      });
    return withDeadline({ ms, clock: this.clock, signal, onTimeout }, work);
  }

  /** On a new connection: one of the old boot may stay open and silent for ever (QEMU's user network). Undefined when there is no answer yet. */
  async #askBootId(outer: AbortSignal): Promise<string | undefined> {
    await this.#drop();
    await this.clock.sleep(REBOOT_POLL_MS, outer);
    const ms = REBOOT_ANSWER_MS * this.slowness;
    const onTimeout = () => new KibError('KIB_SSH_LOST', `no answer within ${ms} ms`, { retryable: true });
    try {
      return await withDeadline({ ms, clock: this.clock, signal: outer, onTimeout }, async (signal) => {
        this.#adopt(await this.#connect(signal));
        return (await this.run(stayingBootId, { signal })).stdout.trim();
      });
    } catch (error) {
      if (outer.aborted || !isTransient(error)) throw error;
      return undefined;
    }
  }

  async #drop(): Promise<void> {
    this.#isLost = true;
    await this.#transport[Symbol.asyncDispose]();
  }

  async #live(signal: AbortSignal): Promise<Transport> {
    if (!this.#isLost) return this.#transport;
    const options = { ...RECONNECT, clock: this.clock, signal, when: (error: unknown) => isKibError(error) && error.retryable };
    return this.#adopt(await retry(options, () => this.#connect(signal)));
  }

  #adopt(transport: Transport): Transport {
    this.#transport = transport;
    this.#isLost = false;
    const onClosed = () => {
      if (this.#transport === transport) this.#isLost = true;
    };
    transport.closed.then(onClosed, onClosed);
    return transport;
  }
}

/** systemctl(1), is-system-running: a guest that shuts down may go on answering for a while. */
const stayingBootId = sh`
  [ "$(systemctl is-system-running 2>/dev/null || :)" != stopping ]
  cat /proc/sys/kernel/random/boot_id
`;

/** Whether a step that ended so was over its time; /proc/uptime counts hundredths of a second. */
export function isTimeout(end: { readonly exitCode: number; readonly ms: number }, timeoutMs: number): boolean {
  return TIMEOUT_CODES.includes(end.exitCode) && end.ms + 20 >= timeoutMs;
}

/** While a guest goes down and comes up a login may be refused for a moment (pam_nologin). */
function isTransient(error: unknown): boolean {
  return (
    isKibError(error) && (error.code === 'KIB_SSH_LOST' || error.code === 'KIB_SSH_AUTH' || error.code === 'KIB_ACTION_FAILED')
  );
}
