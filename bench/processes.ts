import { readdirSync, readFileSync } from 'node:fs';

/** A process as /proc shows it; pid and start time together name it for good. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly startTicks: string;
}

/** The given processes, as far as they run, and all below them (proc(5)). */
export function descendants(roots: readonly number[]): readonly Process[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)));
  const wanted = new Set(roots);
  for (let size = 0; size !== wanted.size; ) {
    size = wanted.size;
    for (const { pid, parent } of all) if (wanted.has(parent)) wanted.add(pid);
  }
  return all.filter(({ pid }) => wanted.has(pid));
}

function readProcess(pid: number): readonly Process[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; it only waits to be asked how.
    if (fields[0] === 'Z') return [];
    return [{ pid, parent: Number(fields[1]), startTicks: fields[19] ?? '' }];
  } catch {
    return [];
  }
}
