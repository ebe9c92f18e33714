import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { qemu } from '../../drivers/qemu/driver.ts';
import { type Context, type Credentials, GiB, MiB, type RunningMachine } from '../../src/core/index.ts';
import { bootstrapBase } from '../../src/engine/base/bootstrap.ts';
import { makeLogin } from '../../src/engine/login.ts';
import { run } from '../../src/io/process.ts';

/** Where assembled bases are kept between test runs: the cache that builds use. */
export const SHARED_CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kib-native');

/**
 * A cache of the test's own that has what was downloaded and assembled before, but no layers. It is in the shared one, since files are
 * renamed between them; the caller removes it.
 */
export function ownCacheHome(name: string): string {
  mkdirSync(SHARED_CACHE, { recursive: true });
  const home = mkdtempSync(join(SHARED_CACHE, `test-${name}-`));
  mkdirSync(join(home, 'kib-native'));
  for (const folder of ['bases', 'downloads', 'packages']) {
    mkdirSync(join(SHARED_CACHE, folder), { recursive: true });
    symlinkSync(join(SHARED_CACHE, folder), join(home, 'kib-native', folder));
  }
  return home;
}

/** A Debian base to boot: the qcow2 file that KIB_TEST_BASE names, else one assembled from the package archive. */
export async function testBase(context: Context): Promise<string> {
  const given = process.env['KIB_TEST_BASE'];
  if (given !== undefined) return given;
  return (await bootstrapBase({ kind: 'bootstrap', suite: 'trixie', packages: [] }, 'amd64', context)).path;
}

/**
 * A copy of a base, as a raw file, with changes to its root file system: debugfs(8) commands such as `rm /path` and `write local
 * /path`. `files` are written below `dir` first, so that the commands can name them.
 */
export async function changedBase(
  base: string,
  dir: string,
  name: string,
  commands: readonly string[],
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { signal } = new AbortController();
  const disk = join(dir, `${name}.raw`);
  await run('qemu-img', ['convert', '-O', 'raw', base, disk], { signal });
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  const script = join(dir, `${name}.debugfs`);
  await writeFile(script, `${commands.join('\n')}\n`);
  const offset = await rootOffset(disk, signal);
  const { stderr } = await run('debugfs', ['-w', '-f', script, `${disk}?offset=${offset}`], { signal, cwd: dir });
  const problems = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('debugfs 1.'));
  if (problems.length > 0) throw new Error(`debugfs: ${problems.join('; ')}`);
  return disk;
}

/** Text of a file of the base's root file system. */
export async function readBaseFile(base: string, dir: string, path: string): Promise<string> {
  const { signal } = new AbortController();
  const disk = join(dir, 'read.raw');
  await run('qemu-img', ['convert', '-O', 'raw', base, disk], { signal });
  const offset = await rootOffset(disk, signal);
  return (await run('debugfs', ['-R', `cat ${path}`, `${disk}?offset=${offset}`], { signal })).stdout;
}

/** Boots a disk on the QEMU driver with a seed of its own. */
export async function launch(
  path: string,
  format: 'raw' | 'qcow2',
  context: Context,
  firmware: 'bios' | 'uefi' = 'bios',
): Promise<{ readonly machine: RunningMachine; readonly credentials: Credentials }> {
  const login = makeLogin({ instanceId: `kib-${context.buildId}`, hostname: 'kib-test', minimal: true });
  const machine = await qemu.launch(
    {
      name: 'kib-test',
      machine: { arch: 'amd64', firmware, cpus: 2, memoryBytes: 1024 * MiB, diskBytes: 4 * GiB, x86Level: 1 },
      base: { path, format },
      seed: login.seed,
    },
    qemu.options.parse({}),
    context,
  );
  context.scope.use('machine', machine);
  return { machine, credentials: login.credentials };
}

/** Byte offset of the largest partition. */
async function rootOffset(disk: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await run('sfdisk', ['--json', disk], { signal });
  const table = JSON.parse(stdout) as { partitiontable: { partitions: { start: number; size: number }[] } };
  const [root] = table.partitiontable.partitions.sort((a, b) => b.size - a.size);
  if (root === undefined) throw new Error(`${disk} has no partition`);
  return root.start * 512;
}
