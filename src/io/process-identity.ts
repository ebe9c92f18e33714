import { readFile } from 'node:fs/promises';
import { run } from './process.ts';

/**
 * What tells this process from a later one with the same pid: the kernel's start time (proc(5), stat field 22), or ps(1)'s where
 * there is no /proc. Undefined when no such process runs.
 */
export async function processIdentity(pid: number, signal: AbortSignal): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses and may hold blanks; fields count on from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    if (process.platform === 'linux') return undefined;
  }
  const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)], { signal, okCodes: [0, 1] });
  return stdout.trim() === '' ? undefined : stdout.trim();
}
