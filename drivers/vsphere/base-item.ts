import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Context,
  canonicalJson,
  digestFile,
  formatBytes,
  type LaunchRequest,
  type LocalBase,
  MiB,
  sha256,
} from '../../src/core/index.ts';
import { ovfDescriptor } from '../../src/export/ovf.ts';
import { type VmdkFile, writeStreamOptimizedVmdk } from '../../src/export/vmdk-writer.ts';
import { inspectBase } from '../../src/io/local-base.ts';
import { withDisk } from '../../src/io/nbd-disk.ts';
import { type DiskFile, withGrown } from '../../src/io/qemu-img.ts';
import type { Vcenter } from './client.ts';
import { findItems, uploadItem } from './library.ts';
import type { VsphereOptions } from './options.ts';
import { own } from './owned.ts';

const DISK = 'base-disk1.vmdk';
/** Changes when the same base would be uploaded otherwise. */
const FORM = 1;

/** Where a base is uploaded from and to. */
export interface BaseUpload {
  readonly vcenter: Vcenter;
  readonly base: LocalBase;
  readonly machine: LaunchRequest['machine'];
  /** Id of the library. */
  readonly library: string;
  /** Folder for scratch files, the caller's. */
  readonly folder: string;
  /** `kib-<build>-<nonce>`, for names of what is made. */
  readonly name: string;
}

/**
 * The library item of a base, uploaded unless the library has it: an OVF of one disk as large as the machine's, since REST cannot grow a disk.
 * It is uploaded under a name of the build and renamed when it is whole.
 */
export async function baseItem(
  upload: BaseUpload,
  options: VsphereOptions,
  context: Context,
): Promise<{ readonly id: string; readonly drop: () => Promise<void> }> {
  const { vcenter, base, machine, library, name } = upload;
  const { signal, span } = context;
  const { file } = await inspectBase({ base, machine }, signal);
  const isKept = options.keepBases && base.isThrowaway !== true;
  const kept = isKept ? await keptName(file, upload, signal) : undefined;
  if (kept !== undefined) {
    const [id] = await findItems(vcenter, { name: kept, library_id: library, type: 'ovf' }, signal);
    if (id !== undefined) return { id, drop: async () => {} };
  }
  const itemName = `${name}-base`;
  const owned = await own('item', vcenter, { name: itemName, library }, context);
  const disk = join(upload.folder, DISK);
  const ovf = await writeBase(file, disk, upload, context);
  span.note(`uploading the base to ${vcenter.server}, ${formatBytes(ovf.bytes)}`);
  const item = { name: itemName, library, type: 'ovf', description: 'Base of kib-native' } as const;
  const id = await uploadItem(vcenter, item, [{ name: 'base.ovf', text: ovf.text }, { path: disk }], options, context);
  await rm(disk);
  if (kept === undefined) return { id, drop: () => owned.remove() };
  await vcenter.send({ method: 'PATCH', path: `/api/content/library/item/${id}`, body: { name: kept } });
  await owned.keep();
  return { id, drop: async () => {} };
}

async function keptName(
  file: DiskFile,
  { base, machine: { diskBytes, firmware } }: BaseUpload,
  signal: AbortSignal,
): Promise<string> {
  const digest = await digestFile(base.path, 'sha256', signal);
  const { offset = 0, bytes } = file;
  return `kib-base-${sha256(canonicalJson({ digest, offset, bytes, diskBytes, firmware, form: FORM }))}`;
}

async function writeBase(
  file: DiskFile,
  path: string,
  { machine, folder }: BaseUpload,
  context: Context,
): Promise<{ readonly text: string; readonly bytes: number }> {
  const { signal, span } = context;
  const target = await open(path, 'wx', 0o600);
  const write = (grown: DiskFile): Promise<VmdkFile> =>
    withDisk(grown, context, ({ bytes, connection }) =>
      writeStreamOptimizedVmdk({
        disk: connection,
        capacityBytes: bytes,
        name: DISK,
        write: async (chunk) => {
          await target.appendFile(chunk);
        },
        onProgress: (percent) => span.progress(percent, 100, 'percent'),
        signal,
      }),
    );
  let written: VmdkFile;
  try {
    written = await withGrown({ disk: file, bytes: machine.diskBytes, folder }, signal, write);
  } finally {
    await target.close();
  }
  const { bytes, populatedBytes } = written;
  const text = ovfDescriptor({
    name: 'base',
    // CIM_OperatingSystem.OSType 101: Linux 64-Bit.
    os: { title: 'Linux', version: '1', ovf: { id: 101, type: 'other3xLinux64Guest', description: 'Linux (64-bit)' } },
    firmware: machine.firmware,
    cpus: machine.cpus,
    memoryMiB: Math.ceil(machine.memoryBytes / MiB / 4) * 4,
    hardwareVersion: 15,
    disk: { fileName: DISK, fileBytes: bytes, capacityBytes: machine.diskBytes, populatedBytes },
    properties: {},
  });
  return { text, bytes };
}
