import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type ConsoleReader, systemCode } from '../core/index.ts';
import { ConsoleText } from './console-text.ts';
import { ifThere } from './if-there.ts';

const POLL_MS = 100;
/** An unfinished line that stands still this long may be a prompt. */
const PROMPT_MS = 1000;
const TAIL_BYTES = 64 * 1024;

/** Reads the console and the firmware's messages from the files that they are written to, as one stream. */
export class FileConsole implements ConsoleReader {
  readonly path: string;
  readonly #firmwarePath: string | undefined;
  readonly #clock: Clock;
  readonly #hasEnded: () => boolean;

  /** `hasEnded` says that nothing more will be written. */
  constructor(path: string, firmwarePath: string | undefined, clock: Clock, hasEnded: () => boolean) {
    this.path = path;
    this.#firmwarePath = firmwarePath;
    this.#clock = clock;
    this.#hasEnded = hasEnded;
  }

  async *lines(signal: AbortSignal): AsyncGenerator<string, void> {
    const paths = this.#firmwarePath === undefined ? [this.path] : [this.#firmwarePath, this.path];
    const followers = paths.map((path) => new Follower(path));
    try {
      let quietSince = this.#clock.now();
      while (!signal.aborted) {
        const hadEnded = this.#hasEnded();
        const batches = await Promise.all(followers.map(async (follower) => follower.read()));
        for (const batch of batches) yield* batch.lines;
        if (batches.some((batch) => batch.bytes > 0)) {
          quietSince = this.#clock.now();
          continue;
        }
        if (hadEnded) break;
        if (this.#clock.now() - quietSince >= PROMPT_MS) yield* followers.flatMap((follower) => follower.text.prompt());
        await this.#clock.sleep(POLL_MS, signal).catch(() => {});
      }
      yield* followers.flatMap((follower) => follower.text.end());
    } finally {
      await Promise.all(followers.map(async (follower) => follower.close()));
    }
  }

  async tail(count: number): Promise<readonly string[]> {
    const console = await lastLines(this.path, count);
    // While the kernel is silent the firmware has the word.
    if (console.length >= count || this.#firmwarePath === undefined) return console;
    return [...(await lastLines(this.#firmwarePath, count - console.length)), ...console];
  }
}

/** Reads what a file has grown by. */
class Follower {
  readonly text = new ConsoleText();
  readonly #path: string;
  readonly #buffer = Buffer.alloc(64 * 1024);
  #file: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<{ readonly bytes: number; readonly lines: readonly string[] }> {
    this.#file ??= await ifThere(open(this.#path, 'r'));
    if (this.#file === undefined) return { bytes: 0, lines: [] };
    const { bytesRead } = await this.#file.read(this.#buffer, 0, this.#buffer.length, null);
    return { bytes: bytesRead, lines: this.text.push(this.#buffer.subarray(0, bytesRead)) };
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

async function lastLines(path: string, count: number): Promise<readonly string[]> {
  const file = await ifThere(open(path, 'r'));
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const text = new ConsoleText();
    const lines = [...text.push(buffer.subarray(0, bytesRead)), ...text.end()];
    return lines.slice(Math.max(0, lines.length - count));
  } finally {
    await file.close();
  }
}

/**
 * Claims log files of one machine that no other machine of this build writes: returns how they are named, `console.log` or `console-2.log` for
 * `console`. The console's own file is there then, empty.
 */
export async function claimLogs(dir: string): Promise<(stem: string) => string> {
  for (let n = 1; ; n++) {
    const path = (stem: string): string => join(dir, n === 1 ? `${stem}.log` : `${stem}-${n}.log`);
    try {
      await (await open(path('console'), 'wx', 0o600)).close();
      return path;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
  }
}
