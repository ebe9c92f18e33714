import { type ChildProcess, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import type { Stream } from 'node:stream';
import type { Clock } from '../../src/core/index.ts';

/** How a program ended: exit code, or the signal that killed it. */
export interface DaemonEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

/** What a program reads and writes: open files and sockets, which it shares. Default: nothing, and its log. */
export interface DaemonStreams {
  readonly stdin?: Stream | number;
  readonly stdout?: Stream | number;
}

/** Time for a program to end by itself once it was told to. */
const TERMINATE_MS = 3000;
const KILL_MS = 5000;

/**
 * A long-running program in a session of its own, so that Ctrl-C in the terminal does not reach it. It writes to a file and not to a pipe,
 * so that it can outlive this process.
 */
export class Daemon {
  readonly pid: number;
  /** Resolves when the program is gone. */
  readonly ended: Promise<DaemonEnd>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;

  private constructor(child: ChildProcess, pid: number, clock: Clock) {
    this.#child = child;
    this.#clock = clock;
    this.pid = pid;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
    });
  }

  /** Starts a program; its output is appended to the file `log`. Throws the system's error when it cannot be run. */
  static async start(argv: readonly string[], log: string, clock: Clock, streams: DaemonStreams = {}): Promise<Daemon> {
    const [program = '', ...args] = argv;
    const output = await open(log, 'a', 0o600);
    try {
      const child = spawn(program, args, {
        detached: true,
        stdio: [streams.stdin ?? 'ignore', streams.stdout ?? output.fd, output.fd],
      });
      // Without a pid there is no process, and the reason comes as an event.
      if (child.pid === undefined) throw await new Promise<Error>((resolve) => child.once('error', resolve));
      child.on('error', () => {});
      return new Daemon(child, child.pid, clock);
    } finally {
      await output.close();
    }
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits for the end, at most `ms` and until `signal` aborts; says whether it came. */
  async endsWithin(ms: number, signal?: AbortSignal): Promise<boolean> {
    const timer = new AbortController();
    try {
      const either = signal === undefined ? timer.signal : AbortSignal.any([timer.signal, signal]);
      const timeout = this.#clock.sleep(ms, either).then(
        () => false,
        () => false,
      );
      return await Promise.race([this.ended.then(() => true), timeout]);
    } finally {
      timer.abort();
    }
  }

  /** Ends the program, by force if need be. */
  async stop(): Promise<void> {
    for (const [signal, ms] of [
      ['SIGTERM', TERMINATE_MS],
      ['SIGKILL', KILL_MS],
    ] as const) {
      if (!this.isRunning) return;
      this.#child.kill(signal);
      if (await this.endsWithin(ms)) return;
    }
    throw new Error(`process ${this.pid} does not end`);
  }

  /** Lets this process end while the program runs on. */
  detach(): void {
    this.#child.unref();
  }
}
