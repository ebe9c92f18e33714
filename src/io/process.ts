import { delimiter } from 'node:path';
import { execa, type Options } from 'execa';
import { KibError, systemCode, throwIfAborted } from '../core/index.ts';
import { TOOLS } from './tools.ts';

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Text for standard input; without it standard input is empty. */
  readonly input?: string;
  readonly cwd?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of standard output and standard error as it comes; progress meters end theirs with a carriage return. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Exit codes that are an answer, not a failure. Default: only 0. */
  readonly okCodes?: readonly number[];
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Folders that programs are looked for in: the environment's, and those of system programs, which users other than root lack on Debian. */
export function searchPath(): string {
  const dirs = (process.env['PATH'] ?? '/usr/bin:/bin').split(delimiter);
  return [...new Set([...dirs, '/usr/local/sbin', '/usr/sbin', '/sbin'])].join(delimiter);
}

/** A failed host command; wrap it in the error of whoever must act. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly argv: readonly string[];
  readonly exitCode: number | undefined;
  readonly stderr: string;

  constructor(argv: readonly string[], exitCode: number | undefined, stderr: string, reason: string) {
    const last = stderr.trim().split('\n').slice(-5).join('\n');
    super(`${argv[0]} ${reason}${last === '' ? '' : `: ${last}`}`);
    this.argv = argv;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/**
 * Runs a host program to its end. Throws KIB_TOOL_MISSING when it is not installed, the signal's reason when aborted (the program
 * is terminated, then killed after 5 s), and CommandError on any other exit code. The locale is C, so that output can be parsed.
 */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  throwIfAborted(options.signal);
  const execaOptions = {
    cancelSignal: options.signal,
    forceKillAfterDelay: 5000,
    reject: false,
    stripFinalNewline: false,
    env: { LC_ALL: 'C', PATH: searchPath(), ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
  } satisfies Options;
  const child = execa(program, [...args], execaOptions);
  const { onLine } = options;
  const readers =
    onLine === undefined
      ? []
      : (['stdout', 'stderr'] as const).map(async (stream) => {
          for await (const line of splitLines(child.iterable({ from: stream, binary: true }))) onLine(line, stream);
        });
  const [result] = await Promise.all([child, ...readers.map((reader) => reader.catch(() => {}))]);
  throwIfAborted(options.signal);
  const argv = [program, ...args];
  const stderr = result.stderr ?? '';
  if (systemCode(result.cause) === 'ENOENT') throw toolMissing(program, result.cause);
  if (result.exitCode === undefined)
    throw new CommandError(argv, undefined, stderr, `was ended by ${result.signal ?? 'an error'}`);
  if (result.exitCode !== 0 && options.okCodes?.includes(result.exitCode) !== true) {
    throw new CommandError(argv, result.exitCode, stderr, `exited with ${result.exitCode}`);
  }
  return { stdout: result.stdout ?? '', stderr, exitCode: result.exitCode };
}

async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let afterReturn = false;
  for await (const chunk of chunks) {
    let text = decoder.decode(chunk, { stream: true });
    if (afterReturn && text.startsWith('\n')) text = text.slice(1);
    afterReturn = text.endsWith('\r');
    const pieces = (rest + text).split(/\r\n|\n|\r/);
    rest = pieces.pop() ?? '';
    yield* pieces;
  }
  if (rest !== '') yield rest;
}

/** The error for a program that is not on PATH; names the package that holds it. */
export function toolMissing(program: string, cause?: unknown): KibError {
  const packages = (TOOLS as Record<string, { apt?: readonly string[] } | undefined>)[program]?.apt?.join(' ');
  return new KibError('KIB_TOOL_MISSING', `${program} is not installed`, {
    hint: `kib-native doctor --install${packages === undefined ? '' : ` (Debian package: ${packages})`}`,
    cause,
  });
}
