import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A stream that text goes to. */
export interface TextOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Everything the command line touches of its process; bin/kib-native.ts passes the real one, tests pass their own. */
export interface CliIo {
  /** Results only. */
  readonly stdout: TextOutput;
  /** Everything said to people. */
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
  /** Whether someone sits at a terminal that a shell can be opened on. */
  readonly isInteractive: boolean;
  /** Whether this process may install packages without sudo. */
  readonly isRoot: boolean;
  /** Resolves when someone at the terminal has pressed Enter; rejects with the signal's reason. Without it nobody can. */
  enter?(signal: AbortSignal): Promise<void>;
  /** Called when builds start, and with undefined when all have ended. */
  onBuilds?(builds: LiveBuilds | undefined): void;
}

/** Running builds as signal handlers see them. */
export interface LiveBuilds {
  /** Tells people something; the terminal is the builds'. */
  say(text: string): void;
  /** Gives the terminal back, its cursor shown, and returns what each build leaks if the process ends now. */
  leave(): readonly { readonly build: string; readonly held: readonly string[] }[];
}

/** Folder of logs and journals (XDG Base Directory specification). */
export function stateHome(env: CliIo['env']): string {
  return join(xdgHome(env, 'XDG_STATE_HOME', '.local/state'), 'kib-native');
}

/** Folder of bases, downloads and scratch disks. */
export function cacheHome(env: CliIo['env']): string {
  return join(xdgHome(env, 'XDG_CACHE_HOME', '.cache'), 'kib-native');
}

// The specification ignores relative paths; here they would also make a journal that gc cannot follow from another folder.
function xdgHome(env: CliIo['env'], name: string, fallback: string): string {
  const path = env[name] ?? '';
  return isAbsolute(path) ? path : join(env['HOME'] || homedir(), fallback);
}

/** NO_COLOR (no-color.org) wins over FORCE_COLOR, both over what the stream is. */
export function wantsColour(env: CliIo['env'], output: TextOutput): boolean {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  if (env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0') return true;
  return output.isTTY === true && env['TERM'] !== 'dumb';
}
