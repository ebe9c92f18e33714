import { GiB } from '../core/index.ts';

/** A file of the archive. */
export interface TarMember {
  /** At most 100 bytes. */
  readonly name: string;
  readonly bytes: number;
}

/** POSIX ustar (pax(1)): a member's size has 11 octal digits. */
export const MAX_MEMBER_BYTES = 8 * GiB - 1;

const BLOCK = 512;
const MAX_NAME_BYTES = 100;
// Equal inputs give equal archives. Not 1970, which tar(1) calls implausible.
const MTIME = Date.UTC(1980, 0, 1) / 1000;
const CHECKSUM_AT = 148;

/** Two blocks of zeroes end an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

/** Where each member's content starts when `members` are packed in this order: header blocks and padding lie between. */
export function tarOffsets(members: readonly Pick<TarMember, 'bytes'>[]): readonly number[] {
  let end = 0;
  return members.map(({ bytes }) => {
    const start = end + BLOCK;
    end = start + bytes + tarPadding(bytes);
    return start;
  });
}

/** Zeroes that follow a member's content. */
export function tarPadding(bytes: number): number {
  return (BLOCK - (bytes % BLOCK)) % BLOCK;
}

/** The ustar header of a member: owner root, mode 0644, a fixed time. Throws RangeError when name or size do not fit. */
export function tarHeader({ name, bytes }: TarMember): Buffer {
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw new RangeError(`too long a name for ustar: ${name}`);
  if (bytes > MAX_MEMBER_BYTES) throw new RangeError(`too large for ustar: ${name}`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number, at: number): unknown =>
    header.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  header.write(name, 0);
  octal(0o644, 7, 100);
  octal(0, 7, 108);
  octal(0, 7, 116);
  octal(bytes, 11, 124);
  octal(MTIME, 11, 136);
  header.write('0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.write('root', 265, 'latin1');
  header.write('root', 297, 'latin1');
  // The checksum is computed as if it were blanks (pax(1), ustar Interchange Format).
  header.fill(' ', CHECKSUM_AT, CHECKSUM_AT + 8);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    6,
    CHECKSUM_AT,
  );
  header[CHECKSUM_AT + 6] = 0;
  return header;
}

/** Header, content and padding of a member that is small enough to be held. */
export function tarEntry(name: string, text: string): Buffer {
  const content = Buffer.from(text);
  return Buffer.concat([tarHeader({ name, bytes: content.length }), content, Buffer.alloc(tarPadding(content.length))]);
}
