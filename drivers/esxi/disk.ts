import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, formatBytes, isKibError, KibError, throwIfAborted } from '../../src/core/index.ts';
import { hashFile } from '../../src/io/hash.ts';
import type { KnownBase } from '../../src/io/local-base.ts';
import { convert } from '../../src/io/qemu-img.ts';
import type { EsxiOptions } from './options.ts';
import { requireRoom, rootFolder } from './place.ts';
import { type EsxiShell, failedAs } from './shell.ts';
import { DISK } from './vmx.ts';

/** Options of qemu-img for a disk to send: one file, of which zeroes take no room. */
export const UPLOAD_OPTIONS = { subformat: 'monolithicSparse', adapter_type: 'lsilogic' } as const;

export interface DiskRequest {
  readonly shell: EsxiShell;
  readonly base: KnownBase;
  /** Whether nobody will boot the base again. */
  readonly isThrowaway: boolean;
  readonly diskBytes: number;
  readonly options: EsxiOptions;
  /** Folder of this host for files that are sent. */
  readonly local: string;
  /** Folder of the machine on the host; all that a cut-short copy leaves is in it. */
  readonly remote: string;
}

/** Makes the machine’s disk on the datastore: a thin copy of the base, grown to its size. */
export async function makeDisk(request: DiskRequest, context: Context): Promise<void> {
  const { shell, base, isThrowaway, remote, diskBytes, options } = request;
  const { signal } = context;
  const disk = `${remote}/${DISK}`;
  const isKept = options.keepBases && base.isWhole && !isThrowaway;
  const kept = isKept ? await keptPath(base, options, context) : undefined;
  if (kept === undefined) await sendBase(request, disk, context);
  else {
    if (!(await isWhole(shell, kept, signal))) await sendKept(request, kept, context);
    if (!(await shell.exists(disk, signal))) await clone(shell, kept, disk, signal);
  }
  throwIfAborted(signal);
  if (diskBytes > base.virtualBytes) await shell.runLong(['vmkfstools', '-X', `${diskBytes / 1024}k`, disk], signal);
}

/** A name that only this very file has: VMDKs made of it differ each time. */
async function keptPath({ file }: KnownBase, options: EsxiOptions, { signal }: Context): Promise<string> {
  const { digests } = await hashFile(file.path, 'sha256', { signal });
  return `${rootFolder(options)}/bases/${digests.sha256}.vmdk`;
}

/** A disk is its description and its data, `x.vmdk` and `x-flat.vmdk`. */
async function isWhole(shell: EsxiShell, path: string, signal: AbortSignal): Promise<boolean> {
  return (await shell.exists(path, signal)) && (await shell.exists(dataOf(path), signal));
}

/** File with the bytes of a VMFS disk, one after the other. */
export function dataOf(vmdk: string): string {
  return vmdk.replace(/\.vmdk$/, '-flat.vmdk');
}

/** Sends a base and gives it its name for good when it is whole; when somebody else was faster, this copy is the machine’s disk. */
async function sendKept(request: DiskRequest, kept: string, context: Context): Promise<void> {
  const { shell, remote } = request;
  const own = `${remote}/base.vmdk`;
  await sendBase(request, own, context);
  throwIfAborted(context.signal);
  // Never cut short: half of it would be nobody’s.
  const steady = new AbortController().signal;
  await shell.run(['mkdir', '-p', kept.slice(0, kept.lastIndexOf('/'))], steady);
  const isOurs = await shell.run(['vmkfstools', '-E', own, kept], steady).then(
    () => true,
    () => false,
  );
  if (!isOurs) await shell.run(['vmkfstools', '-E', own, `${remote}/${DISK}`], steady);
}

async function sendBase({ shell, base, local, remote, options }: DiskRequest, target: string, context: Context): Promise<void> {
  const { signal, span } = context;
  const file = join(local, 'upload.vmdk');
  span.note('converting the base to VMDK');
  await convert({ source: base.file, target: file, targetFormat: 'vmdk', options: UPLOAD_OPTIONS, signal });
  const { size } = await stat(file);
  // The sent file and the copy that is made of it.
  await requireRoom(shell, options, 2 * size, signal);
  span.note(`uploading the base to ${shell.place}, ${formatBytes(size)}`);
  const sent = `${remote}/upload.vmdk`;
  await shell.upload(file, sent, signal);
  const arrived = Number(await shell.run(['stat', '-c', '%s', sent], signal));
  if (arrived !== size) {
    throw new KibError('KIB_ESXI_DISK', `the base has ${size} bytes, but ${arrived} arrived on ${shell.place}`, {
      retryable: true,
    });
  }
  await clone(shell, sent, target, signal);
  await shell.run(['rm', '-f', sent], signal);
}

/**
 * Copies a disk to a thin one. Files of Workstation’s formats are read by the host’s module multiextent, which newer hosts load by themselves:
 * it is loaded when the first try fails.
 */
async function clone(shell: EsxiShell, source: string, target: string, signal: AbortSignal): Promise<void> {
  const copy = () => shell.runLong(['vmkfstools', '-i', source, '-d', 'thin', target], signal);
  try {
    await copy();
  } catch (error) {
    if (!isKibError(error) || error.code !== 'KIB_ESXI' || failedAs(error, 'taken')) throw error;
    await loadMultiextent(shell, signal);
    try {
      await copy();
    } catch (again) {
      throwIfAborted(signal);
      if (!isKibError(again) || again.code !== 'KIB_ESXI') throw again;
      throw new KibError('KIB_ESXI_DISK', `vmkfstools on ${shell.place} cannot copy ${source}: ${again.message}`, {
        hint: 'vmkload_mod multiextent on the host must work, for a VMDK made by qemu-img to be read',
        cause: again,
      });
    }
  }
}

async function loadMultiextent(shell: EsxiShell, signal: AbortSignal): Promise<void> {
  // Loaded already, or not there: the next copy tells.
  await shell.run(['vmkload_mod', 'multiextent'], signal).catch((error: unknown) => {
    throwIfAborted(signal);
    if (!isKibError(error) || error.code !== 'KIB_ESXI') throw error;
  });
}
