import { type DirectoryEntry, UnreadableError } from './file-system.ts';
import { readU64 } from './xfs-format.ts';

const DATA_MAGIC = 0x58444433;
const SINGLE_BLOCK_MAGIC = 0x58444233;
const HEADER = 64;
const FREE_TAG = 0xffff;

/** Entries of a directory small enough to live in its inode. */
export function parseShortDirectory(fork: Buffer): readonly DirectoryEntry[] {
  const count = fork.readUInt8(0);
  const inodeBytes = fork.readUInt8(1) > 0 ? 8 : 4;
  const entries: DirectoryEntry[] = [];
  // Header: two counts, then the parent's inode number.
  let at = 2 + inodeBytes;
  while (entries.length < count) {
    const nameEnd = at + 3 + fork.readUInt8(at);
    const name = fork.toString('utf8', at + 3, nameEnd);
    // A byte with the file type stands before the inode number.
    const inode = inodeBytes === 8 ? readU64(fork, nameEnd + 1) : fork.readUInt32BE(nameEnd + 1);
    entries.push({ name, inode });
    at = nameEnd + 1 + inodeBytes;
  }
  return entries;
}

/** Entries of one data block of a larger directory. */
export function parseDirectoryBlock(block: Buffer, directory: number): readonly DirectoryEntry[] {
  const end = dataEnd(block, directory);
  const entries: DirectoryEntry[] = [];
  for (let at = HEADER; at < end; ) {
    if (block.readUInt16BE(at) === FREE_TAG) {
      const length = block.readUInt16BE(at + 2);
      if (length < 8) throw new UnreadableError(`XFS directory ${directory} has a damaged block`);
      at += length;
      continue;
    }
    const nameEnd = at + 9 + block.readUInt8(at + 8);
    if (nameEnd > end) throw new UnreadableError(`XFS directory ${directory} has a damaged block`);
    const name = block.toString('utf8', at + 9, nameEnd);
    if (name !== '.' && name !== '..') entries.push({ name, inode: readU64(block, at) });
    // File type and a two-byte tag follow the name; entries are aligned to 8 bytes.
    at += Math.ceil((nameEnd + 3 - at) / 8) * 8;
  }
  return entries;
}

/** A directory of one block keeps its hash index at the block's end, counted in the last eight bytes. */
function dataEnd(block: Buffer, directory: number): number {
  const magic = block.readUInt32BE(0);
  if (magic === DATA_MAGIC) return block.length;
  if (magic === SINGLE_BLOCK_MAGIC) return block.length - 8 - block.readUInt32BE(block.length - 8) * 8;
  throw new UnreadableError(`XFS directory ${directory} has a damaged block`);
}
