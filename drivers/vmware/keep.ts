import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { readSeedFolder, writeSeedIso } from '../../cloudinit/index.ts';
import { type Context, errorMessage, KibError, type SeedFiles, systemCode, throwIfAborted } from '../../src/core/index.ts';
import { ownPath } from '../../src/io/own-path.ts';
import { convert } from '../../src/io/qemu-img.ts';
import { type Vmx, vmxText } from '../../src/io/vmx.ts';
import { cdrom, type VmxEntry } from '../../src/io/vmx-hardware.ts';
import { guestinfo, SEED } from './config.ts';
import { withDisk } from './deltas.ts';
import { DISK, vmdkOptions } from './disk.ts';
import type { VmwareOptions } from './options.ts';

export interface KeepRequest {
  /** Of the sealed machine. A delta is only of use with what is below it. */
  readonly disk: { readonly path: string; readonly isDelta: boolean };
  readonly vmx: string;
  /** What is left of the .vmx. */
  readonly settings: Vmx;
  readonly options: VmwareOptions;
  readonly keepIn: string;
}

/** What of `keepIn` and `cloudinit` is seen before anything is made. Throws KIB_OUTPUT_EXISTS and KIB_HOST_PERMISSION. */
export async function checkKeeping({ keepIn, cloudinit }: VmwareOptions): Promise<void> {
  if (keepIn === undefined) return;
  if (existsSync(keepIn)) throw taken(keepIn);
  if (cloudinit !== undefined) await readSeedFolder(resolve(cloudinit));
}

/**
 * Copies what a machine is made of; logs, snapshots and swap files are of the build. With `cloudinit` the copy, and it alone, has user data. It
 * gets its name when it is whole, so that nothing of somebody else's is ever removed.
 */
export async function keepMachine({ disk, vmx, settings, options, keepIn }: KeepRequest, context: Context): Promise<void> {
  const target = resolve(keepIn);
  const part = `${target}.part-${randomBytes(4).toString('hex')}`;
  const seed = options.cloudinit === undefined ? undefined : await readSeedFolder(resolve(options.cloudinit));
  const keep = await ownPath('folder', part, context);
  try {
    await mkdir(dirname(target), { recursive: true });
    await mkdir(part, { mode: 0o700 });
    await copyDisk(disk, join(part, DISK), options, context);
    const attached = seed === undefined ? [] : await attach(seed, part, options, context);
    const plain = withDisk(settings, DISK, options);
    await writeFile(join(part, basename(vmx)), vmxText(new Map([...plain, ...attached])), { mode: 0o600 });
    throwIfAborted(context.signal);
    await rename(part, target);
  } catch (error) {
    throw keepError(error, keepIn);
  }
  await keep();
  context.span.note(`the virtual machine is kept in ${target}`);
}

/** Deltas become one disk again. */
async function copyDisk(
  { path, isDelta }: KeepRequest['disk'],
  target: string,
  options: VmwareOptions,
  { signal }: Context,
): Promise<void> {
  if (!isDelta) return cp(path, target);
  const source = { path, format: 'vmdk' } as const;
  await convert({ source, target, targetFormat: 'vmdk', options: vmdkOptions(options), signal });
}

function keepError(error: unknown, keepIn: string): unknown {
  const code = systemCode(error) ?? '';
  const hint = 'choose another folder as driver.keepIn';
  if (['EEXIST', 'ENOTEMPTY', 'ENOTDIR'].includes(code)) return taken(keepIn);
  if (['ENOSPC', 'EDQUOT'].includes(code)) {
    return new KibError('KIB_DISK_FULL', `no space left for the machine in ${keepIn}`, { hint, cause: error });
  }
  if (!['EACCES', 'EPERM', 'EROFS'].includes(code)) return error;
  return new KibError('KIB_HOST_PERMISSION', `cannot write ${keepIn}: ${errorMessage(error)}`, { hint, cause: error });
}

function taken(keepIn: string): KibError {
  return new KibError('KIB_OUTPUT_EXISTS', `driver.keepIn ${keepIn} is there already`, {
    hint: 'remove it, or choose another folder',
  });
}

async function attach(
  seed: SeedFiles,
  target: string,
  options: VmwareOptions,
  { signal }: Context,
): Promise<readonly VmxEntry[]> {
  if (options.seed === 'guestinfo') return guestinfo(seed);
  await writeSeedIso(seed, join(target, SEED), signal);
  return cdrom(SEED);
}
