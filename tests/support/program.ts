import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { BuildEvent } from '../../src/core/index.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const program = fileURLToPath(new URL('../../dist/bin/kib-native.js', import.meta.url));

export interface CliRun {
  readonly child: ChildProcess;
  readonly events: readonly BuildEvent[];
  /** Resolves with the first event that fits, now or later; rejects when the process ends without one. */
  waitFor(wanted: (event: BuildEvent) => boolean): Promise<BuildEvent>;
  /** Exit status, or the signal's name, with all of standard error. */
  readonly ended: Promise<{ readonly status: number | string; readonly stderr: string }>;
}

/** Runs the compiled program to its end. */
export function kib(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = root) {
  return spawnSync(process.execPath, [program, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', ...env },
  });
}

/** The same inside what `within` leads to: a network namespace. */
export function kibWithin(
  within: (argv: readonly string[]) => readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const [command = '', ...rest] = within([process.execPath, program, ...args]);
  return spawnSync(command, rest, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', ...env },
    maxBuffer: 256 * 1024 * 1024,
  });
}

/** Starts the compiled program with `--json` and reads its events as they come; `onEvent` is told of each. */
export function startKib(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  onEvent: (event: BuildEvent) => void = () => {},
): CliRun {
  const child = spawn(process.execPath, [program, ...args, '--json'], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const events: BuildEvent[] = [];
  const waiting = new Set<{
    wanted: (event: BuildEvent) => boolean;
    resolve: (event: BuildEvent) => void;
    reject: (error: Error) => void;
  }>();
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    if (!line.startsWith('{"v":')) return;
    const event = JSON.parse(line) as BuildEvent;
    events.push(event);
    onEvent(event);
    for (const entry of waiting) {
      if (!entry.wanted(event)) continue;
      waiting.delete(entry);
      entry.resolve(event);
    }
  });
  const ended = new Promise<{ status: number | string; stderr: string }>((resolve) => {
    child.on('close', (code, signal) => {
      for (const entry of waiting)
        entry.reject(new Error(`the program ended (${code ?? signal}) before the event came:\n${stderr}`));
      resolve({ status: code ?? signal ?? 'unknown', stderr });
    });
  });
  return {
    child,
    events,
    ended,
    waitFor: (wanted) => {
      const seen = events.find(wanted);
      if (seen !== undefined) return Promise.resolve(seen);
      return new Promise((resolve, reject) => waiting.add({ wanted, resolve, reject }));
    },
  };
}
