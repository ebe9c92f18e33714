import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Driver, Endpoint, LaunchRequest, SealedDisk } from '../../src/core/index.ts';
import { collectGarbage } from '../../src/engine/gc.ts';
import { convert } from '../../src/io/qemu-img.ts';
import { hasTinyGuestWritten, TINY_GUEST_COUNTS, tinyGuestRequest } from './tiny-guest.ts';

const { signal } = new AbortController();

/** Whether a sealed disk is that of a tiny guest that has run. `dir` is for a copy of it. */
export async function hasWritten(disk: SealedDisk, dir: string): Promise<boolean> {
  if (disk.kind !== 'file') return false;
  const target = join(dir, 'sealed.img');
  await convert({ source: disk, target, targetFormat: 'raw', signal });
  return hasTinyGuestWritten(await readFile(target));
}

/** How far a counting tiny guest has come, by its disk: a layer, which is a qcow2 file, or a VMDK. `dir` is for a copy of it. */
export async function countOn(path: string, dir: string): Promise<number> {
  const target = join(dir, 'count.img');
  const format = path.endsWith('.vmdk') ? 'vmdk' : 'qcow2';
  await convert({ source: { path, format }, target, targetFormat: 'raw', signal });
  return (await readFile(target)).readUInt16LE(1024);
}

/** What the layers of a driver that boots tiny guests are tried with. */
export const countingLayers = {
  guest: async (dir: string) => tinyGuestRequest(join(dir, 'guest.img'), { counting: true }),
  counts: TINY_GUEST_COUNTS,
  countOn,
};

/** What a server says first; nothing when it hangs up. */
export async function greeting({ host, port }: Endpoint): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.on('data', (chunk: Buffer) => {
      resolve(chunk.toString());
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(''));
  });
}

export interface KilledBuild {
  /** An empty folder, of which `work` is the build’s. */
  readonly dir: string;
  readonly build: string;
  readonly options: unknown;
  /** Default: a tiny guest, which is waited for. */
  readonly request?: LaunchRequest;
  /** When to kill it. Default: when its machine runs. */
  readonly until?: () => Promise<unknown>;
}

/**
 * Has another process run a machine, kills it, lets `between` look at the machine that is left, and collects the garbage. Returns what
 * collecting said of the build before the kill, after it, and once more.
 */
export async function collectAfterKill(
  driver: Driver,
  { dir, build, options, request, until }: KilledBuild,
  between: (machine: { readonly id: string }) => void,
): Promise<readonly string[]> {
  const script = fileURLToPath(new URL('driver-process.ts', import.meta.url));
  const given = [options, request].flatMap((value) => (value === undefined ? [] : [JSON.stringify(value)]));
  const child = spawn(process.execPath, ['--import', 'tsx', script, driver.name, dir, build, ...given], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const collect = async (): Promise<string> => {
    const { builds } = await collectGarbage({ stateHome: dir, drivers: [driver], dryRun: false, signal });
    return builds.map(({ id, status }) => `${id} ${status}`).join();
  };
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const said = until === undefined ? (await lines.next()).value : undefined;
    await until?.();
    const machine = JSON.parse(said ?? '{"id":""}') as { readonly id: string };
    const before = await collect();
    process.kill(-Number(child.pid), 'SIGKILL');
    await ended;
    between(machine);
    return [before, await collect(), await collect()];
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
