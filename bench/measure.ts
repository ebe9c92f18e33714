import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { descendants, type Process } from './processes.ts';

export interface MeasureOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** File that gets everything the program prints. */
  readonly log: string;
  /** Exit codes that count as success; default: 0 alone. */
  readonly okCodes?: readonly number[];
  /** Each line of standard output and standard error with the seconds since the start. */
  readonly onLine?: (line: string, seconds: number) => void;
}

/** What one run of a program cost. */
export interface Measured {
  readonly exitCode: number;
  readonly seconds: number;
  /** CPU time of the program and all it started, QEMU included. */
  readonly cpuSeconds: number;
  /** Of the program alone, when it is a Node program. */
  readonly controller?: { readonly cpuSeconds: number; readonly peakBytes: number };
}

const HOOK = fileURLToPath(new URL('usage-hook.mjs', import.meta.url));
const TICKS_PER_SECOND = 100;
const GRACE_MS = 30_000;

/**
 * Runs a program to its end. When it is over its time or the signal aborts, it is told to stop, then killed with all it started. Throws when
 * it fails, with the last lines of what it said.
 */
export async function measure(argv: readonly string[], options: MeasureOptions): Promise<Measured> {
  options.signal.throwIfAborted();
  const [program = '', ...args] = argv;
  const usage = `${options.log}.usage`;
  const before = childTicks();
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env, KIB_BENCH_USAGE: usage, NODE_OPTIONS: `--import=${HOOK}` },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const log = createWriteStream(options.log);
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      log.write(`${seconds().toFixed(2)} ${line}\n`);
      tail.push(line);
      if (tail.length > 15) tail.shift();
      options.onLine?.(line, seconds());
    });
  }
  const started = new Map<number, Process>();
  const watch = setInterval(() => note(child.pid, started), 1000);
  let last: NodeJS.Timeout | undefined;
  const stop = (): void => {
    note(child.pid, started);
    if (child.pid !== undefined) kill(child.pid, 'SIGINT');
    last ??= setTimeout(() => killAll(started), GRACE_MS);
  };
  const timer = setTimeout(stop, options.timeoutMs);
  options.signal.addEventListener('abort', stop, { once: true });
  try {
    const closed = new Promise((resolve) => child.once('close', resolve));
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? -1));
    });
    const took = seconds();
    // What outlives the program would hold its pipes open.
    killAll(started);
    await closed;
    options.signal.throwIfAborted();
    if (!(options.okCodes ?? [0]).includes(exitCode)) {
      const why = took * 1000 >= options.timeoutMs ? `was over its ${options.timeoutMs / 1000} s` : `exited with ${exitCode}`;
      throw new Error(`${argv.slice(0, 3).join(' ')} … ${why}; all it said is in ${options.log}:\n${tail.join('\n')}`);
    }
    const controller = await readUsage(usage);
    return {
      exitCode,
      seconds: took,
      cpuSeconds: (childTicks() - before) / TICKS_PER_SECOND,
      ...(controller === undefined ? {} : { controller }),
    };
  } finally {
    clearInterval(watch);
    clearTimeout(timer);
    clearTimeout(last);
    options.signal.removeEventListener('abort', stop);
    killAll(started);
    log.end();
    await rm(usage, { force: true });
  }
}

/** CPU time of all children that ended and theirs, in clock ticks: fields 16 and 17 of /proc/self/stat (proc(5)). */
function childTicks(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[13]) + Number(fields[14]);
}

function note(root: number | undefined, started: Map<number, Process>): void {
  if (root === undefined) return;
  for (const found of descendants([root, ...started.keys()])) started.set(found.pid, found);
}

/** Ends what is still there of the processes that were seen; a pid that was given to another program meanwhile is left alone. */
function killAll(started: ReadonlyMap<number, Process>): void {
  const running = new Map(descendants([process.pid, ...started.keys()]).map((found) => [found.pid, found]));
  for (const { pid, startTicks } of started.values()) {
    if (running.get(pid)?.startTicks === startTicks) kill(pid, 'SIGKILL');
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone, which is what was wanted.
  }
}

async function readUsage(path: string): Promise<Measured['controller']> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Measured['controller'];
  } catch {
    return undefined;
  }
}
