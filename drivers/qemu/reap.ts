import { readdir, readFile } from 'node:fs/promises';
import { type Clock, type Resource, systemClock, systemCode } from '../../src/core/index.ts';
import { run } from '../../src/io/process.ts';

/** Journal kinds of this driver; `data.pidfile` is the word of the command line that tells the process from all others. */
export const QEMU_PROCESS = 'qemu:process';
export const SWTPM_PROCESS = 'qemu:swtpm';

const TERMINATE_MS = 3000;
const KILL_MS = 5000;
const POLL_MS = 50;

/** The words of a process's command line that hold its pid file, by kind; nothing but the program itself has both in this order. */
export function pidfileWords(kind: string, pidfile: string): readonly [string, string] {
  return kind === SWTPM_PROCESS ? ['--pid', `file=${pidfile}`] : ['-pidfile', pidfile];
}

/**
 * Ends a process that a dead build left. It is looked for by its command line rather than by the pid in its file: a pid may belong to
 * somebody else by now, and the file may not have been written yet.
 */
export async function reapProcess(resource: Resource, clock: Clock = systemClock): Promise<string> {
  const pidfile = resource.data?.['pidfile'];
  if (pidfile === undefined) throw new Error(`${resource.kind} ${resource.id} names no pidfile`);
  const words = pidfileWords(resource.kind, pidfile);
  const found = await findProcesses(words);
  if (found.length === 0) return 'was gone already';
  for (const [signal, ms] of [
    ['SIGTERM', TERMINATE_MS],
    ['SIGKILL', KILL_MS],
  ] as const) {
    for (const pid of await findProcesses(words)) signalProcess(pid, signal);
    for (let waited = 0; waited < ms; waited += POLL_MS) {
      if ((await findProcesses(words)).length === 0) return `ended process ${found.join(', ')}`;
      await clock.sleep(POLL_MS);
    }
  }
  throw new Error(`process ${found.join(', ')} does not end`);
}

/** Pids of running processes that have these two words one after the other in their command line. */
async function findProcesses([first, second]: readonly [string, string]): Promise<readonly number[]> {
  if (process.platform !== 'linux') {
    const { stdout } = await run('ps', ['-axww', '-o', 'pid=,command='], { signal: new AbortController().signal });
    return stdout
      .split('\n')
      .filter((line) => line.includes(` ${first} ${second}`))
      .map((line) => Number.parseInt(line, 10));
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // A process that ends meanwhile has no command line, nor has a zombie.
      const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
      return argv.some((word, index) => word === first && argv[index + 1] === second) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

function signalProcess(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}
