import type { ByteSource } from './byte-source.ts';
import {
  type DirectoryEntry,
  type Extent,
  type FileSystem,
  fixedText,
  formatUuid,
  type Inode,
  readExtents,
  type Stretch,
  splitMode,
  UnreadableError,
  whole,
} from './file-system.ts';

// Field offsets: Linux Documentation/filesystems/ext4.
const SUPERBLOCK = 1024;
const MAGIC = 0xef53;
const ROOT_INODE = 2;
const RECOVER = 0x4;
const BITS64 = 0x80;
/** filetype, recover, extents, 64bit, mmp, flex_bg, ea_inode, csum_seed, largedir, casefold: nothing a reader must know more about. */
const KNOWN_INCOMPAT = 0x2 | RECOVER | 0x40 | BITS64 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x20000;
const HAS_ERRORS = 0x2;
const EXTENTS_FLAG = 0x80000;
const EXTENT_MAGIC = 0xf30a;
/** Extents longer than this are allocated but not written; the length counts on from here. */
const UNWRITTEN = 0x8000;

interface Geometry {
  readonly blockBytes: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  readonly descriptorTable: number;
  readonly has64: boolean;
}

/** Opens an ext4 file system (extents, as mke2fs makes since 2008); undefined when there is none. */
export async function openExt4(source: ByteSource): Promise<FileSystem | undefined> {
  if (source.bytes < 2 * SUPERBLOCK) return undefined;
  const superblock = await source.read(SUPERBLOCK, 1024);
  if (superblock.readUInt16LE(0x38) !== MAGIC) return undefined;
  const incompat = superblock.readUInt32LE(0x60);
  const unknown = incompat & ~KNOWN_INCOMPAT;
  if (unknown !== 0)
    throw new UnreadableError(`ext4 with features this reader does not know (incompat 0x${unknown.toString(16)})`);
  const has64 = (incompat & BITS64) !== 0;
  const blockBytes = 1024 << superblock.readUInt32LE(0x18);
  const geometry: Geometry = {
    blockBytes,
    inodesPerGroup: superblock.readUInt32LE(0x28),
    inodeBytes: superblock.readUInt16LE(0x58),
    descriptorBytes: has64 ? superblock.readUInt16LE(0xfe) : 32,
    descriptorTable: (superblock.readUInt32LE(0x14) + 1) * blockBytes,
    has64,
  };
  return {
    type: 'ext4',
    uuid: formatUuid(superblock.subarray(0x68, 0x78)),
    label: fixedText(superblock.subarray(0x78, 0x88)),
    unclean: unclean(incompat, superblock.readUInt16LE(0x3a)),
    root: ROOT_INODE,
    async inode(number) {
      const raw = await rawInode(source, geometry, number);
      return {
        number,
        ...splitMode(raw.readUInt16LE(0)),
        uid: raw.readUInt16LE(0x2) + raw.readUInt16LE(0x78) * 0x10000,
        gid: raw.readUInt16LE(0x18) + raw.readUInt16LE(0x7a) * 0x10000,
        bytes: raw.readUInt32LE(0x4) + raw.readUInt32LE(0x6c) * 2 ** 32,
      };
    },
    async list(inode) {
      return parseDirectory(await content(source, geometry, inode, whole(inode)), blockBytes);
    },
    read: (inode, stretch = whole(inode)) => content(source, geometry, inode, stretch),
  };
}

function unclean(incompat: number, state: number): string | undefined {
  if ((incompat & RECOVER) !== 0) return 'its journal holds changes that are not in place yet';
  if ((state & HAS_ERRORS) !== 0) return 'it recorded errors';
  return undefined;
}

async function rawInode(source: ByteSource, geometry: Geometry, number: number): Promise<Buffer> {
  const { inodesPerGroup, descriptorBytes, descriptorTable, inodeBytes, blockBytes, has64 } = geometry;
  const group = Math.floor((number - 1) / inodesPerGroup);
  const descriptor = await source.read(descriptorTable + group * descriptorBytes, descriptorBytes);
  const table = descriptor.readUInt32LE(0x8) + (has64 ? descriptor.readUInt32LE(0x28) * 2 ** 32 : 0);
  return source.read(table * blockBytes + ((number - 1) % inodesPerGroup) * inodeBytes, inodeBytes);
}

async function content(source: ByteSource, geometry: Geometry, inode: Inode, stretch: Stretch): Promise<Buffer> {
  const raw = await rawInode(source, geometry, inode.number);
  const map = raw.subarray(0x28, 0x28 + 60);
  // A short link's target stands where other inodes have their block map.
  if (inode.kind === 'symlink' && inode.bytes < 60) return Buffer.from(map.subarray(0, inode.bytes));
  const flags = raw.readUInt32LE(0x20);
  if ((flags & EXTENTS_FLAG) === 0) {
    if (inode.bytes === 0) return Buffer.alloc(0);
    throw new UnreadableError(`ext4 inode ${inode.number} has no extents (flags 0x${flags.toString(16)})`);
  }
  const extents = await readTree(source, geometry, map, inode.number);
  return readExtents(extents, stretch, geometry.blockBytes, (offset, length) => source.read(offset, length));
}

async function readTree(source: ByteSource, geometry: Geometry, node: Buffer, inode: number): Promise<readonly Extent[]> {
  if (node.readUInt16LE(0) !== EXTENT_MAGIC) throw new UnreadableError(`ext4 inode ${inode} has a damaged extent tree`);
  const { blockBytes } = geometry;
  const count = node.readUInt16LE(2);
  const depth = node.readUInt16LE(6);
  const extents: Extent[] = [];
  for (let at = 12; at < 12 + count * 12; at += 12) {
    if (depth > 0) {
      const child = (node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32) * blockBytes;
      extents.push(...(await readTree(source, geometry, await source.read(child, blockBytes), inode)));
      continue;
    }
    const length = node.readUInt16LE(at + 4);
    const isWritten = length <= UNWRITTEN;
    extents.push({
      logical: node.readUInt32LE(at),
      length: isWritten ? length : length - UNWRITTEN,
      offset: isWritten ? (node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32) * blockBytes : undefined,
    });
  }
  return extents;
}

/** Every block is a list of entries; the nodes of a hashed directory look like one unused entry. */
function parseDirectory(content: Buffer, blockBytes: number): readonly DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  for (let block = 0; block < content.length; block += blockBytes) {
    for (let at = block; at < block + blockBytes; ) {
      const length = content.readUInt16LE(at + 4);
      if (length < 8 || at + length > block + blockBytes) throw new UnreadableError('ext4 directory with a damaged block');
      const inode = content.readUInt32LE(at);
      const name = content.toString('utf8', at + 8, at + 8 + content.readUInt8(at + 6));
      if (inode !== 0 && name !== '.' && name !== '..') entries.push({ name, inode });
      at += length;
    }
  }
  return entries;
}
