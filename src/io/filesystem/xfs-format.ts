import type { ByteSource } from './byte-source.ts';
import { formatUuid, UnreadableError } from './file-system.ts';

// Field offsets: XFS Algorithms & Data Structures, 3rd edition; Linux fs/xfs/libxfs/xfs_format.h. All numbers are big-endian.
export const XFS_MAGIC = 0x58465342;
const NEEDS_REPAIR = 0x10;
/** ftype, sparse inodes, meta_uuid, bigtime, nrext64, exchange-range, parent pointers. */
const KNOWN_INCOMPAT = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80;

/** What the superblock says about where things lie. */
export interface XfsGeometry {
  readonly blockBytes: number;
  readonly inodeBytes: number;
  readonly dirBlockBytes: number;
  readonly agBlocks: number;
  readonly agBlockLog: number;
  readonly inodesPerBlockLog: number;
  readonly logStart: number;
  readonly logBytes: number;
  readonly rootInode: number;
  readonly uuid: string;
}

/** Reads a version 5 superblock; throws UnreadableError for features unknown here. */
export function parseSuperblock(sb: Buffer): XfsGeometry {
  const version = sb.readUInt16BE(100) & 0xf;
  if (version !== 5) throw new UnreadableError(`XFS version ${version}, want 5 (metadata checksums, the default since 2015)`);
  const incompat = sb.readUInt32BE(216);
  if ((incompat & NEEDS_REPAIR) !== 0) throw new UnreadableError('XFS that needs xfs_repair');
  const unknown = incompat & ~KNOWN_INCOMPAT;
  if (unknown !== 0)
    throw new UnreadableError(`XFS with features this reader does not know (incompat 0x${unknown.toString(16)})`);
  const blockBytes = sb.readUInt32BE(4);
  return {
    blockBytes,
    inodeBytes: sb.readUInt16BE(104),
    dirBlockBytes: blockBytes << sb.readUInt8(192),
    agBlocks: sb.readUInt32BE(84),
    agBlockLog: sb.readUInt8(124),
    inodesPerBlockLog: sb.readUInt8(123),
    logStart: readU64(sb, 48),
    logBytes: sb.readUInt32BE(96) * blockBytes,
    rootInode: readU64(sb, 56),
    uuid: formatUuid(sb.subarray(32, 48)),
  };
}

/** Byte offset of a file system block number: allocation group in the upper bits, block within it in the lower. */
export function blockOffset(geometry: XfsGeometry, block: number): number {
  const { agBlocks, agBlockLog, blockBytes } = geometry;
  const group = Math.floor(block / 2 ** agBlockLog);
  return (group * agBlocks + (block % 2 ** agBlockLog)) * blockBytes;
}

/** Byte offset of an inode: its number is its block's number and its place in that block. */
export function inodeOffset(geometry: XfsGeometry, number: number): number {
  const perBlock = 2 ** geometry.inodesPerBlockLog;
  return blockOffset(geometry, Math.floor(number / perBlock)) + (number % perBlock) * geometry.inodeBytes;
}

export function readU64(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64BE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new UnreadableError(`XFS number out of range: ${value}`);
  return Number(value);
}

const LOG_BLOCK = 512;
const LOG_MAGIC = 0xfeedbabe;
const UNMOUNT = 0x20;
const CHUNK = 2048 * LOG_BLOCK;

/**
 * Whether the log ends with an unmount record, so that nothing in it is still to be replayed. The newest record is the one with the
 * highest sequence number (cycle, block); records state their own, which tells them from data that looks like one.
 */
export async function isLogClean(source: ByteSource, geometry: XfsGeometry): Promise<boolean> {
  if (geometry.logStart === 0) throw new UnreadableError('XFS with its log on another device');
  const start = blockOffset(geometry, geometry.logStart);
  let newest: { readonly sequence: bigint; readonly at: number; readonly header: Buffer } | undefined;
  for (let chunk = 0; chunk < geometry.logBytes; chunk += CHUNK) {
    const bytes = await source.read(start + chunk, Math.min(CHUNK, geometry.logBytes - chunk));
    for (let at = 0; at < bytes.length; at += LOG_BLOCK) {
      if (bytes.readUInt32BE(at) !== LOG_MAGIC || bytes.readUInt32BE(at + 20) !== (chunk + at) / LOG_BLOCK) continue;
      const sequence = bytes.readBigUInt64BE(at + 16);
      if (newest === undefined || sequence > newest.sequence)
        newest = { sequence, at: chunk + at, header: bytes.subarray(at, at + LOG_BLOCK) };
    }
  }
  if (newest === undefined) throw new UnreadableError('XFS without a record in its log');
  const { header, at } = newest;
  // The record's header takes one block per 32 KiB of log buffer; operations follow, each with its flags in byte 9.
  const headerBlocks = Math.max(1, Math.ceil(header.readUInt32BE(320) / 32_768));
  const operation = (at + headerBlocks * LOG_BLOCK) % geometry.logBytes;
  const flags = (await source.read(start + operation, LOG_BLOCK)).readUInt8(9);
  return header.readUInt32BE(40) === 1 && (flags & UNMOUNT) !== 0;
}
