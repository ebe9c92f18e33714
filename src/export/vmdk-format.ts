import { sha256 } from '../core/index.ts';

/**
 * Structures of a streamOptimized VMDK (VMware Virtual Disk Format 5.0, technical note of 2011, "Stream-Optimized Compressed Sparse
 * Extents"): header, descriptor, then grains as they come, each table behind its grains, at the end directory and footer. Little-endian.
 */
export const SECTOR = 512;
/** 64 KiB; what VMware's tools write. */
export const GRAIN_BYTES = 65_536;
/** Entries of a grain table: each is 4 KiB and covers 32 MiB. */
export const TABLE_ENTRIES = 512;
/** Sectors before the first grain: header, descriptor, and up to the next grain's boundary. */
const OVERHEAD_SECTORS = 128;
export const MARKER = { endOfStream: 0, grainTable: 1, grainDirectory: 2, footer: 3 } as const;
/** Header: the directory's place stands in the footer. */
const DIRECTORY_AT_END = 0xffff_ffff_ffff_ffffn;

const MAGIC = 'KDMV';
/** Version 3, as VMware's own exports have. */
const VERSION = 3;
/** Newline detection valid, grains compressed, markers present. */
const FLAGS = 0x30001;
const DEFLATE = 1;
const DESCRIPTOR_SECTOR = 1;
const DESCRIPTOR_SECTORS = 20;
/** Bytes before the data of a grain: its first sector on the disk, length of the data. */
const GRAIN_HEAD_BYTES = 12;
const ZERO_SECTOR = Buffer.alloc(SECTOR);

/** The header of a disk of `capacityBytes`; with the sector of the grain directory it is the footer. */
export function sparseHeader(capacityBytes: number, directorySector: bigint = DIRECTORY_AT_END): Buffer {
  const header = Buffer.alloc(SECTOR);
  header.write(MAGIC, 'latin1');
  header.writeUInt32LE(VERSION, 4);
  header.writeUInt32LE(FLAGS, 8);
  header.writeBigUInt64LE(BigInt(Math.ceil(capacityBytes / SECTOR)), 12);
  header.writeBigUInt64LE(BigInt(GRAIN_BYTES / SECTOR), 20);
  header.writeBigUInt64LE(BigInt(DESCRIPTOR_SECTOR), 28);
  header.writeBigUInt64LE(BigInt(DESCRIPTOR_SECTORS), 36);
  header.writeUInt32LE(TABLE_ENTRIES, 44);
  header.writeBigUInt64LE(directorySector, 56);
  header.writeBigUInt64LE(BigInt(OVERHEAD_SECTORS), 64);
  // What a transfer in text mode would change.
  header.write('\n \r\n', 73, 'latin1');
  header.writeUInt16LE(DEFLATE, 77);
  return header;
}

/** Header and descriptor with what lies between them and the first grain. `name` is the file's. */
export function vmdkStart(name: string, capacityBytes: number): Buffer {
  const start = Buffer.alloc(OVERHEAD_SECTORS * SECTOR);
  sparseHeader(capacityBytes).copy(start);
  const text = Buffer.from(vmdkDescriptor(name, capacityBytes));
  if (text.length > DESCRIPTOR_SECTORS * SECTOR) throw new RangeError(`a VMDK descriptor for ${name} has no room`);
  text.copy(start, DESCRIPTOR_SECTOR * SECTOR);
  return start;
}

/**
 * The descriptor as VMware's tools write it. It stands before the content, so its content ids are made from name and size: they only tie a
 * child disk to its parent.
 */
export function vmdkDescriptor(name: string, capacityBytes: number): string {
  const sectors = Math.ceil(capacityBytes / SECTOR);
  const id = contentId(name, sectors);
  const heads = 255;
  const sectorsPerTrack = 63;
  const cylinders = Math.min(Math.max(Math.floor(sectors / (heads * sectorsPerTrack)), 1), 65_535);
  return `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=${id.slice(-8)}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW ${sectors} SPARSE "${name}"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "${cylinders}"
ddb.geometry.heads = "${heads}"
ddb.geometry.sectors = "${sectorsPerTrack}"
ddb.longContentID = "${id}"
ddb.toolsInstallType = "4"
ddb.toolsVersion = "2147483647"
ddb.virtualHWVersion = "4"
`;
}

/** What a compressed grain is in the file, whole sectors: its marker, itself, padding. */
export function grainParts(grain: number, deflated: Buffer): readonly [Buffer, Buffer, Buffer] {
  const head = Buffer.alloc(GRAIN_HEAD_BYTES);
  head.writeBigUInt64LE(BigInt(grain * (GRAIN_BYTES / SECTOR)));
  head.writeUInt32LE(deflated.length, 8);
  const rest = (GRAIN_HEAD_BYTES + deflated.length) % SECTOR;
  return [head, deflated, ZERO_SECTOR.subarray(0, rest === 0 ? 0 : SECTOR - rest)];
}

/** A marker, and the metadata it announces padded to whole sectors. */
export function marked(type: number, metadata: Buffer = Buffer.alloc(0)): Buffer {
  const sectors = Math.ceil(metadata.length / SECTOR);
  const record = Buffer.alloc((1 + sectors) * SECTOR);
  record.writeBigUInt64LE(BigInt(sectors));
  record.writeUInt32LE(type, 12);
  metadata.copy(record, SECTOR);
  return record;
}

/** 32 hexadecimal digits; the last 8 are the CID, of which two values mean something else. */
function contentId(name: string, sectors: number): string {
  const id = sha256(`${name} ${sectors}`).slice(0, 32);
  return /ffffff(ff|fe)$/.test(id) ? `${id.slice(0, -8)}12345678` : id;
}
