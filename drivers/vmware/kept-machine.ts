import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type Context,
  errorMessage,
  isKibError,
  KibError,
  type MachineSpec,
  throwIfAborted,
  withScope,
} from '../../src/core/index.ts';
import { ifUnlocked, withFileLock } from '../../src/io/file-lock.ts';
import { fileStamp } from '../../src/io/file-stamp.ts';
import { ifThere } from '../../src/io/if-there.ts';
import { ownPath } from '../../src/io/own-path.ts';
import { CommandError } from '../../src/io/process.ts';
import { compare, type DiskFile } from '../../src/io/qemu-img.ts';
import { claimUse, isUsed } from '../../src/io/use-claim.ts';
import { markUsed } from '../../src/io/use-mark.ts';
import { parseVmx, vmxText, withoutSettings } from '../../src/io/vmx.ts';
import { isOfTheBuild } from '../../src/io/vmx-hardware.ts';
import { vmxOf } from './config.ts';
import { diskFile } from './deltas.ts';
import { DISK, writeDisk } from './disk.ts';
import type { VmwareHost } from './host.ts';
import { keptKey } from './kept-key.ts';
import type { VmwareOptions } from './options.ts';
import { vmrun } from './vmrun.ts';

/** Folder in the cache: one folder per kept machine, called by its key. `cache ls` and `cache prune` know it too. */
const FOLDER = 'vmware';
const VMX = 'kept.vmx';
const SNAPSHOT = 'kib';
/** Its text is the stamp of DISK when that was known to be right, its modification time when the machine was last used; as with bases. */
const STAMP = 'stamp';

/**
 * How many stay when one more was made, but for those with clones. Each takes the space of what it was made of, and saves a conversion to whoever
 * starts on the same: somebody who works on an image starts on its base, on the first layers, and mostly on the one below the last.
 */
const AT_MOST = 3;

/** How long VMware may take for a snapshot or a linked clone of a machine that is off: neither copies a disk. */
const VMRUN_MS = 60_000;

export interface CloneRequest {
  readonly host: VmwareHost;
  readonly options: VmwareOptions;
  readonly machine: MachineSpec;
  /** What the clone starts on. */
  readonly base: DiskFile;
  /** Absolute path of the clone's .vmx to be; its folder is there, and empty. */
  readonly vmx: string;
}

export interface LinkedClone {
  /** The file that the clone writes to, absolute. */
  readonly disk: string;
  /** What that is a delta of, absolute; only ever read. It holds what the base does. */
  readonly frozen: string;
}

/**
 * Makes a linked clone of a machine that is kept between builds, which is made when there is none yet. It stays at least as long as the folder of the
 * clone. Of the clone's .vmx only the disk is of use. Throws KIB_VMRUN, KIB_CACHE_CHANGED, KIB_DISK_FULL.
 */
export async function linkedClone(
  request: CloneRequest,
  owners: Pick<Context, 'scope' | 'journal'>,
  context: Context,
): Promise<LinkedClone> {
  const { base, machine, options } = request;
  const key = await keptKey({ base, bytes: machine.diskBytes, options }, context.signal);
  const folder = join(context.dirs.cache, FOLDER, key);
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
  const onWait = () => context.span.note('waiting for another build that makes or clones the same machine');
  // Cloning, too: VMware locks what it clones.
  return withFileLock(folder, { ...context, onWait }, async () => {
    const isThere = await isWhole(folder, base, context);
    if (!isThere) await make(folder, request, context);
    const disk = await clone(folder, request).catch(async (error: unknown) => {
      throwIfAborted(context.signal);
      if (!isThere || !isKibError(error)) throw error;
      // It has its disk, but not all that VMware wants of it.
      context.span.log('host', errorMessage(error));
      await make(folder, request, context);
      await emptyFolder(dirname(request.vmx));
      return clone(folder, request);
    });
    throwIfAborted(context.signal);
    await claimUse(folder, dirname(request.vmx), owners);
    await markUsed(join(folder, STAMP), context.clock);
    return { disk, frozen: join(folder, DISK) };
  });
}

async function clone(folder: string, { host, options, vmx }: CloneRequest): Promise<string> {
  const args = ['linked', `-snapshot=${SNAPSHOT}`, `-cloneName=${basename(vmx, '.vmx')}`];
  // Never cut short: it writes to the kept machine’s list of snapshots.
  await vmrun(host, ['clone', join(folder, VMX), vmx, ...args], AbortSignal.timeout(VMRUN_MS));
  return diskFile(parseVmx(await readFile(vmx, 'utf8')), vmx, options);
}

/** Whether the disk of a kept machine is what was made. One that was touched since is read again. */
async function isWhole(folder: string, base: DiskFile, { signal, span }: Context): Promise<boolean> {
  const path = join(folder, DISK);
  const stamp = await fileStamp(path);
  if (stamp === undefined) return false;
  if (stamp === (await ifThere(readFile(join(folder, STAMP), 'utf8')))) return true;
  span.note('checking the kept machine');
  try {
    const { identical } = await compare(base, { path, format: 'vmdk' }, signal);
    if (identical) await writeFile(join(folder, STAMP), stamp);
    return identical;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}

/** Makes the kept machine, in the place of one that is of no use. It appears whole or not at all. */
async function make(folder: string, request: CloneRequest, context: Context): Promise<void> {
  if (existsSync(folder)) await discard(folder, context);
  const { host, base, machine, options } = request;
  await withScope(async (scope) => {
    const part = join(dirname(folder), `.part-${context.buildId}-${randomBytes(4).toString('hex')}`);
    const keep = await ownPath('folder', part, { scope, journal: context.journal });
    await mkdir(part, { mode: 0o700 });
    await writeDisk({ base, folder: part, bytes: machine.diskBytes }, options, context);
    // All names in it are relative, and in the list of snapshots too.
    const files = { disk: DISK, console: '', seed: undefined };
    const settings = vmxOf(`kib-native ${basename(folder).slice(0, 12)}`, machine, { ...options, vmx: {} }, files, undefined);
    await writeFile(join(part, VMX), vmxText(withoutSettings(settings, isOfTheBuild)), { mode: 0o600 });
    throwIfAborted(context.signal);
    await vmrun(host, ['snapshot', join(part, VMX), SNAPSHOT], AbortSignal.timeout(VMRUN_MS));
    throwIfAborted(context.signal);
    await flush(join(part, DISK));
    await writeFile(join(part, STAMP), (await fileStamp(join(part, DISK))) ?? '');
    throwIfAborted(context.signal);
    await rename(part, folder);
    await keep();
  });
  await removeOldest(dirname(folder), context);
}

async function discard(folder: string, { span }: Context): Promise<void> {
  if (await isUsed(folder)) {
    throw new KibError(
      'KIB_CACHE_CHANGED',
      `the kept machine ${folder} cannot be cloned, and a machine that runs is a clone of it`,
      {
        hint: 'build again when that is gone, or with --cache off, which clones nothing',
      },
    );
  }
  span.warn('KIB_DIGEST_MISMATCH', `the kept machine ${folder} is not what was stored; making it again`);
  await rm(folder, { recursive: true, force: true });
}

/** qemu-img leaves what it wrote to the host's cache: a power cut would leave a whole machine without its disk. */
async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The image is not there yet, but a machine that cannot be removed is no reason to give up. */
async function removeOldest(dir: string, { signal, span }: Context): Promise<void> {
  try {
    const names = (await readdir(dir)).filter((name) => /^[0-9a-f]{64}$/.test(name));
    const machines = await Promise.all(
      names.map(async (name) => ({ path: join(dir, name), usedMs: await usedAt(join(dir, name)) })),
    );
    let count = machines.length;
    for (const { path } of machines.sort((a, b) => a.usedMs - b.usedMs)) {
      if (count <= AT_MOST) return;
      if (await ifUnlocked(path, signal, () => rm(path, { recursive: true, force: true }))) count--;
    }
  } catch (error) {
    throwIfAborted(signal);
    span.warn('KIB_CACHE_CHANGED', `old machines could not be removed: ${errorMessage(error)}`, 'kib-native cache prune');
  }
}

async function usedAt(folder: string): Promise<number> {
  return (await ifThere(stat(join(folder, STAMP))))?.mtimeMs ?? 0;
}

async function emptyFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { mode: 0o700 });
}
