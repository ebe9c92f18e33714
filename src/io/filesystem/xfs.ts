import type { ByteSource } from './byte-source.ts';
import {
  type DirectoryEntry,
  type Extent,
  type FileSystem,
  fixedText,
  type Inode,
  readExtents,
  type Stretch,
  splitMode,
  UnreadableError,
  whole,
} from './file-system.ts';
import { parseDirectoryBlock, parseShortDirectory } from './xfs-directory.ts';
import { blockOffset, inodeOffset, isLogClean, parseSuperblock, readU64, XFS_MAGIC, type XfsGeometry } from './xfs-format.ts';

const INODE_MAGIC = 0x494e;
const CORE_BYTES = 176;
/** Inode keeps its count of extents in the wide field (flags2 bit 4, nrext64). */
const WIDE_EXTENT_COUNT = 1n << 4n;
const LOCAL = 1;
const EXTENTS = 2;
const BTREE = 3;
const BTREE_MAGIC = 0x424d4133;
const BTREE_HEADER = 72;
/** Directory data lies below this offset; hash indexes lie above. */
const DIRECTORY_DATA_END = 32 * 2 ** 30;

interface XfsInode extends Inode {
  readonly format: number;
  readonly extentCount: number;
  readonly fork: Buffer;
}

/** Opens an XFS version 5 file system; undefined when there is none. */
export async function openXfs(source: ByteSource): Promise<FileSystem | undefined> {
  if (source.bytes < 4096) return undefined;
  const superblock = await source.read(0, 512);
  if (superblock.readUInt32BE(0) !== XFS_MAGIC) return undefined;
  const geometry = parseSuperblock(superblock);
  return {
    type: 'xfs',
    uuid: geometry.uuid,
    label: fixedText(superblock.subarray(108, 120)),
    unclean: (await isLogClean(source, geometry)) ? undefined : 'its log holds changes that are not in place yet',
    root: geometry.rootInode,
    inode: async (number) => readInode(source, geometry, number),
    list: async (inode) => listDirectory(source, geometry, await readInode(source, geometry, inode.number)),
    read: async (inode, stretch = whole(inode)) =>
      readContent(source, geometry, await readInode(source, geometry, inode.number), stretch),
  };
}

async function readInode(source: ByteSource, geometry: XfsGeometry, number: number): Promise<XfsInode> {
  const raw = await source.read(inodeOffset(geometry, number), geometry.inodeBytes);
  if (raw.readUInt16BE(0) !== INODE_MAGIC || readU64(raw, 152) !== number) {
    throw new UnreadableError(`XFS inode ${number} is not where it should be`);
  }
  const isWide = (raw.readBigUInt64BE(120) & WIDE_EXTENT_COUNT) !== 0n;
  const forkOffset = raw.readUInt8(82) * 8;
  return {
    number,
    ...splitMode(raw.readUInt16BE(2)),
    uid: raw.readUInt32BE(8),
    gid: raw.readUInt32BE(12),
    bytes: readU64(raw, 56),
    format: raw.readUInt8(5),
    extentCount: isWide ? readU64(raw, 24) : raw.readUInt32BE(76),
    fork: raw.subarray(CORE_BYTES, forkOffset === 0 ? geometry.inodeBytes : CORE_BYTES + forkOffset),
  };
}

async function readContent(source: ByteSource, geometry: XfsGeometry, inode: XfsInode, stretch: Stretch): Promise<Buffer> {
  if (inode.format === LOCAL) return Buffer.from(inode.fork.subarray(0, inode.bytes));
  // Only links of some 300 bytes and more lie elsewhere.
  if (inode.kind === 'symlink') throw new UnreadableError(`XFS symbolic link ${inode.number} of ${inode.bytes} bytes`);
  const extents = await readMap(source, geometry, inode);
  return readExtents(extents, stretch, geometry.blockBytes, (offset, length) => source.read(offset, length));
}

async function listDirectory(source: ByteSource, geometry: XfsGeometry, inode: XfsInode): Promise<readonly DirectoryEntry[]> {
  if (inode.format === LOCAL) return parseShortDirectory(inode.fork);
  const { blockBytes, dirBlockBytes } = geometry;
  const extents = (await readMap(source, geometry, inode)).filter(({ logical }) => logical * blockBytes < DIRECTORY_DATA_END);
  const data = await readExtents(extents, whole(inode), blockBytes, (offset, length) => source.read(offset, length));
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at < data.length; at += dirBlockBytes) {
    const isMapped = extents.some(({ logical, length }) => at >= logical * blockBytes && at < (logical + length) * blockBytes);
    if (isMapped) entries.push(...parseDirectoryBlock(data.subarray(at, at + dirBlockBytes), inode.number));
  }
  return entries;
}

async function readMap(source: ByteSource, geometry: XfsGeometry, inode: XfsInode): Promise<readonly Extent[]> {
  const { fork, format, extentCount, number } = inode;
  if (format === EXTENTS) return parseExtents(geometry, fork, 0, extentCount);
  if (format !== BTREE) throw new UnreadableError(`XFS inode ${number} has data in format ${format}`);
  // The root's keys and pointers are two arrays that share the fork.
  const pointers = 4 + Math.floor((fork.length - 4) / 16) * 8;
  return readChildren(source, geometry, fork, pointers, fork.readUInt16BE(2), number);
}

async function readChildren(
  source: ByteSource,
  geometry: XfsGeometry,
  node: Buffer,
  pointers: number,
  count: number,
  inode: number,
): Promise<readonly Extent[]> {
  const { blockBytes } = geometry;
  const extents: Extent[] = [];
  for (let index = 0; index < count; index++) {
    const block = await source.read(blockOffset(geometry, readU64(node, pointers + index * 8)), blockBytes);
    if (block.readUInt32BE(0) !== BTREE_MAGIC) throw new UnreadableError(`XFS inode ${inode} has a damaged extent tree`);
    const records = block.readUInt16BE(6);
    const inner = BTREE_HEADER + Math.floor((blockBytes - BTREE_HEADER) / 16) * 8;
    const isLeaf = block.readUInt16BE(4) === 0;
    extents.push(
      ...(isLeaf
        ? parseExtents(geometry, block, BTREE_HEADER, records)
        : await readChildren(source, geometry, block, inner, records, inode)),
    );
  }
  return extents;
}

/** Each record packs flag (1 bit), file offset (54), block (52) and count (21) into 128 bits. */
function parseExtents(geometry: XfsGeometry, bytes: Buffer, start: number, count: number): readonly Extent[] {
  return Array.from({ length: count }, (_, index) => {
    const high = bytes.readBigUInt64BE(start + index * 16);
    const low = bytes.readBigUInt64BE(start + index * 16 + 8);
    const isWritten = high >> 63n === 0n;
    const block = Number(((high & 0x1ffn) << 43n) | (low >> 21n));
    return {
      logical: Number((high >> 9n) & ((1n << 54n) - 1n)),
      length: Number(low & 0x1fffffn),
      offset: isWritten ? blockOffset(geometry, block) : undefined,
    };
  });
}
