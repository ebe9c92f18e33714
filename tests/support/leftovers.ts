import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Command lines of running processes that hold `text`, this one left out. */
export function processesWith(text: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const argv = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
        const state = readFileSync(join('/proc', pid, 'stat'), 'utf8');
        const isZombie = state.slice(state.lastIndexOf(')') + 2).startsWith('Z');
        return argv.includes(text) && !isZombie ? [`${pid} ${argv}`] : [];
      } catch {
        return [];
      }
    });
}

/** Loopback TCP ports that are listened on (proc(5), /proc/net/tcp, state 0A). */
export function listeningPorts(): ReadonlySet<number> {
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return new Set(
    rows
      .map((row) => row.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && fields[1]?.startsWith('0100007F'))
      .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)),
  );
}

/** All files below a folder, relative; empty when it is not there. */
export function filesBelow(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}
