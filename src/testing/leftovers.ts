import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
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

/** TCP ports on 127.0.0.1 that are listened on, by socket inode (proc(5): /proc/net/tcp, state 0A). */
function listeners(): ReadonlyMap<string, number> {
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return new Map(
    rows
      .map((row) => row.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && fields[1]?.startsWith('0100007F'))
      .map((fields) => [fields[9] ?? '', Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)]),
  );
}

/** Ports that processes with `text` in their command line listen on. */
export function portsOf(text: string): readonly number[] {
  const ports = listeners();
  return processesWith(text).flatMap((line) => {
    const dir = join('/proc', line.split(' ')[0] ?? '', 'fd');
    return readdirSync(dir).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(join(dir, fd)))?.[1];
      return inode !== undefined && ports.has(inode) ? [ports.get(inode) ?? 0] : [];
    });
  });
}

/** All TCP ports on 127.0.0.1 that are listened on. */
export function listeningPorts(): ReadonlySet<number> {
  return new Set(listeners().values());
}

/** Those of the ports that somebody still listens on. */
export function stillListening(candidates: readonly number[]): readonly number[] {
  const ports = listeningPorts();
  return candidates.filter((port) => ports.has(port));
}

/** All files below a folder, relative; empty when it is not there. */
export function filesBelow(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}
