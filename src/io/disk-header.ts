import { type FileHandle, open } from 'node:fs/promises';
import { type DiskFormat, KiB } from '../core/index.ts';

/** What the first bytes of a disk image say about it. */
export interface DiskHeader {
  readonly format: DiskFormat;
  /** Other files that the header makes a reader open; empty for an image that stands alone. */
  readonly refersTo: readonly string[];
}

const QCOW2_MAGIC = 0x514649fb;
/** Incompatible feature of qcow2 version 3: guest data lies in another file. */
const QCOW2_DATA_FILE = 1n << 2n;
const SECTOR = 512n;

/**
 * Reads the header of an image without trusting it. qemu-img info itself opens files that a crafted header names (CVE-2024-4467), so this
 * comes first. Layouts: QEMU docs/interop/qcow2.rst; VMware Virtual Disk Format 5.0. What is neither is raw.
 */
export async function readDiskHeader(path: string): Promise<DiskHeader> {
  const handle = await open(path, 'r');
  try {
    const header = await readAt(handle, 0, 64 * KiB);
    if (header.readUInt32BE(0) === QCOW2_MAGIC) return { format: 'qcow2', refersTo: qcow2References(header) };
    if (header.toString('latin1', 0, 4) === 'KDMV') return { format: 'vmdk', refersTo: await vmdkReferences(header, handle) };
    const text = header.toString('latin1');
    if (text.startsWith('# Disk DescriptorFile')) return { format: 'vmdk', refersTo: [...extents(text), ...parents(text)] };
    return { format: 'raw', refersTo: [] };
  } finally {
    await handle.close();
  }
}

function qcow2References(header: Buffer): string[] {
  const version = header.readUInt32BE(4);
  const backingOffset = header.readBigUInt64BE(8);
  const backingBytes = header.readUInt32BE(16);
  const start = Number(backingOffset);
  const name = start + backingBytes <= header.length ? header.toString('utf8', start, start + backingBytes) : 'another file';
  const hasDataFile = version >= 3 && (header.readBigUInt64BE(72) & QCOW2_DATA_FILE) !== 0n;
  return [...(backingOffset === 0n ? [] : [name]), ...(hasDataFile ? ['an external data file'] : [])];
}

async function vmdkReferences(header: Buffer, handle: FileHandle): Promise<string[]> {
  const capacity = header.readBigUInt64LE(12);
  const descriptorSector = header.readBigUInt64LE(28);
  if (descriptorSector === 0n) return [];
  const descriptor = (await readAt(handle, Number(descriptorSector * SECTOR), 64 * KiB)).toString('latin1');
  // With a capacity of 0 the descriptor rules and its extents are opened; else it names the file itself.
  return [...(capacity === 0n ? extents(descriptor) : []), ...parents(descriptor)];
}

function extents(descriptor: string): string[] {
  return Array.from(descriptor.matchAll(/^\s*(?:RW|RDONLY)\s+\d+\s+\S+\s+"([^"]*)"/gm), ([, name = '']) => name);
}

function parents(descriptor: string): string[] {
  return Array.from(descriptor.matchAll(/parentFileNameHint\s*=\s*"([^"]*)"/g), ([, name = '']) => name);
}

async function readAt(handle: FileHandle, position: number, bytes: number): Promise<Buffer> {
  // What lies beyond the end of the file stays zero.
  const { buffer } = await handle.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer;
}
