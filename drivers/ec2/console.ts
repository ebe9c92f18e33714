import { appendFile } from 'node:fs/promises';
import type { Ec2 } from '../../src/aws/api.ts';
import { awsCode } from '../../src/aws/errors.ts';
import { type Clock, isKibError, throwIfAborted } from '../../src/core/index.ts';
import { FileConsole } from '../../src/io/console-file.ts';

export interface ConsoleSource {
  readonly ec2: Ec2;
  /** Instance id. */
  readonly id: string;
  /** File of this host that it is copied to; it is there, empty. */
  readonly path: string;
  readonly pollMs: number;
  readonly clock: Clock;
}

/** It changes slowly, and every call counts against the account's rate. */
const POLLS = 3;
/** EC2 tells the console of Nitro instances within seconds, that of others minutes after their start (AWS: GetConsoleOutput). */
const LAG_MS = 240_000;
/** What EC2 keeps of a console. */
const KEPT_BYTES = 64 * 1024;

/** Copies the console of an instance to a file, as far as EC2 tells it: the last 64 KiB, on Nitro instances while they run. */
export class ConsoleLog extends FileConsole implements AsyncDisposable {
  readonly lagMs = LAG_MS;
  readonly #source: ConsoleSource;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #seen = Buffer.alloc(0);
  #isLatest = true;

  constructor(source: ConsoleSource) {
    super(source.path, undefined, source.clock, () => this.#stop.signal.aborted);
    this.#source = source;
    this.#loop = this.#follow();
  }

  /** Copies what came since the last look. Never throws for what EC2 says. */
  async refresh(signal: AbortSignal): Promise<void> {
    try {
      const now = await this.#read(signal);
      const fresh = continued(this.#seen, now);
      this.#seen = Buffer.from(now);
      if (fresh.length > 0) await appendFile(this.path, fresh);
    } catch (error) {
      throwIfAborted(signal);
      // The console helps to see why a build failed; it must not be the reason.
      if (!isKibError(error)) throw error;
    }
  }

  override async tail(count: number): Promise<readonly string[]> {
    if (!this.#stop.signal.aborted) await this.refresh(AbortSignal.timeout(10_000)).catch(() => {});
    return super.tail(count);
  }

  /** Stops copying. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the console is closed'));
    await this.#loop;
  }

  async #follow(): Promise<void> {
    const { clock, pollMs } = this.#source;
    const { signal } = this.#stop;
    try {
      for (;;) {
        await clock.sleep(pollMs * POLLS, signal);
        await this.refresh(signal);
      }
    } catch {
      // Stopped, or the file cannot be written: there is nobody to tell.
    }
  }

  async #read(signal: AbortSignal): Promise<Buffer> {
    const { ec2, id } = this.#source;
    try {
      const latest = this.#isLatest ? { Latest: true } : {};
      const { Output = '' } = await ec2.call('GetConsoleOutput', { InstanceId: id, ...latest }, signal);
      return Buffer.from(Output, 'base64');
    } catch (error) {
      // Instances that are not on Nitro tell their console after they started and stopped only.
      if (!this.#isLatest || awsCode(error) !== 'UnsupportedOperation') throw error;
      this.#isLatest = false;
      return this.#read(signal);
    }
  }
}

/** What of `now` was not in `seen`, of which the start may be gone. */
export function continued(seen: Buffer, now: Buffer): Buffer {
  if (seen.length === 0) return now;
  if (now.length >= seen.length && now.subarray(0, seen.length).equals(seen)) return now.subarray(seen.length);
  // The window has moved on: the end of what was seen is somewhere in it, unless more came than it holds.
  for (const bytes of [Math.min(seen.length, KEPT_BYTES), 4096, 512, 64]) {
    if (bytes > seen.length) continue;
    const end = seen.subarray(seen.length - bytes);
    const at = now.lastIndexOf(end);
    if (at !== -1) return now.subarray(at + end.length);
  }
  return now;
}
