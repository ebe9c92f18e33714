/** What kind of thing an inode is; `other` is a device, a socket or a FIFO. */
export type InodeKind = 'file' | 'directory' | 'symlink' | 'other';

export interface Inode {
  readonly number: number;
  readonly kind: InodeKind;
  /** Permission bits, `0o644`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Length of the content. */
  readonly bytes: number;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly inode: number;
}

/** A file system, read without mounting it. Every call throws UnreadableError rather than guess. */
export interface FileSystem {
  readonly type: 'ext4' | 'xfs';
  /** Lower case, with dashes. */
  readonly uuid: string;
  readonly label: string;
  /** Why what is read here may be stale: it was not unmounted, or it recorded errors. Undefined when all is well. */
  readonly unclean: string | undefined;
  readonly root: number;
  inode(number: number): Promise<Inode>;
  /** Entries of a directory without `.` and `..`, in no order. */
  list(inode: Inode): Promise<readonly DirectoryEntry[]>;
  /** Content of a file, or of a stretch of it; or the target of a symbolic link. */
  read(inode: Inode, stretch?: Stretch): Promise<Buffer>;
}

/** A part of a file's content, no longer than 64 MiB and within the file. */
export interface Stretch {
  readonly offset: number;
  readonly length: number;
}

/** The file system holds something this reader does not know, or is damaged. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
}

/** Largest content that is read into memory at once. */
const MAX_READ_BYTES = 64 * 1024 * 1024;

/** One run of a file's blocks: `length` blocks of the file from `logical` on lie at byte `offset`; undefined means zeroes. */
export interface Extent {
  readonly logical: number;
  readonly length: number;
  readonly offset: number | undefined;
}

/** Puts a stretch of a file's content together from its extents; what no extent covers is zeroes. */
export async function readExtents(
  extents: readonly Extent[],
  stretch: Stretch,
  blockBytes: number,
  read: (offset: number, length: number) => Promise<Buffer>,
): Promise<Buffer> {
  if (stretch.length > MAX_READ_BYTES)
    throw new UnreadableError(`a file of ${stretch.length} bytes is too large to be read as a whole`);
  const content = Buffer.alloc(stretch.length);
  const end = stretch.offset + stretch.length;
  for (const { logical, length, offset } of extents) {
    const first = logical * blockBytes;
    const from = Math.max(first, stretch.offset);
    const to = Math.min(first + length * blockBytes, end);
    if (offset === undefined || from >= to) continue;
    (await read(offset + from - first, to - from)).copy(content, from - stretch.offset);
  }
  return content;
}

/** All of a file. */
export function whole({ bytes }: Pick<Inode, 'bytes'>): Stretch {
  return { offset: 0, length: bytes };
}

const KINDS: Readonly<Record<number, InodeKind>> = { 4: 'directory', 8: 'file', 10: 'symlink' };

/** Kind and permission bits of a Unix `st_mode`. */
export function splitMode(mode: number): Pick<Inode, 'kind' | 'mode'> {
  return { kind: KINDS[mode >> 12] ?? 'other', mode: mode & 0o7777 };
}

/** `8d6f3c1e-…` of the 16 bytes of a UUID as they lie on disk. */
export function formatUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Text of a fixed-size field that ends at the first NUL. */
export function fixedText(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}
