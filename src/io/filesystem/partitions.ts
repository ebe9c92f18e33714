import { type ByteSource, slice } from './byte-source.ts';
import { UnreadableError } from './file-system.ts';

/** A partition of a disk, or the whole disk when it has no partition table. */
export interface Partition {
  /** Number as Linux counts; 0 for the whole disk. */
  readonly number: number;
  /** GPT name and unique id, lower case; empty where the table has none. */
  readonly name: string;
  readonly uuid: string;
  readonly content: ByteSource;
}

const SECTOR = 512;
const MBR_ENTRIES = 446;
const GPT_PROTECTIVE = 0xee;
const EXTENDED = [0x05, 0x0f, 0x85];

/** Reads a GPT (UEFI 2.10 §5) or an MBR's primary partitions, sectors of 512 bytes. */
export async function listPartitions(disk: ByteSource): Promise<readonly Partition[]> {
  const mbr = await disk.read(0, SECTOR);
  const hasTable = mbr.readUInt16LE(510) === 0xaa55;
  const types = [0, 1, 2, 3].map((index) => mbr.readUInt8(MBR_ENTRIES + index * 16 + 4));
  if (hasTable && types.includes(GPT_PROTECTIVE)) return readGpt(disk);
  if (!hasTable || types.every((type) => type === 0)) return [{ number: 0, name: '', uuid: '', content: disk }];
  if (types.some((type) => EXTENDED.includes(type))) throw new UnreadableError('an MBR with logical partitions');
  return types.flatMap((type, index) => {
    const start = mbr.readUInt32LE(MBR_ENTRIES + index * 16 + 8) * SECTOR;
    const bytes = mbr.readUInt32LE(MBR_ENTRIES + index * 16 + 12) * SECTOR;
    const uuid = `${mbr.readUInt32LE(440).toString(16).padStart(8, '0')}-0${index + 1}`;
    return type === 0 ? [] : [{ number: index + 1, name: '', uuid, content: slice(disk, start, bytes) }];
  });
}

async function readGpt(disk: ByteSource): Promise<readonly Partition[]> {
  const header = await disk.read(SECTOR, SECTOR);
  if (header.toString('latin1', 0, 8) !== 'EFI PART') throw new UnreadableError('a GPT without a primary header');
  const entryBytes = header.readUInt32LE(84);
  const count = header.readUInt32LE(80);
  const table = await disk.read(Number(header.readBigUInt64LE(72)) * SECTOR, count * entryBytes);
  return Array.from({ length: count }, (_, index) => table.subarray(index * entryBytes, (index + 1) * entryBytes)).flatMap(
    (entry, index) => {
      if (entry.subarray(0, 16).every((byte) => byte === 0)) return [];
      const first = Number(entry.readBigUInt64LE(32));
      const last = Number(entry.readBigUInt64LE(40));
      return [
        {
          number: index + 1,
          name: entry.toString('utf16le', 56, 128).replace(/\0.*$/su, ''),
          uuid: guid(entry.subarray(16, 32)),
          content: slice(disk, first * SECTOR, (last - first + 1) * SECTOR),
        },
      ];
    },
  );
}

/** A GUID's first three fields are little-endian on disk. */
function guid(bytes: Buffer): string {
  const part = (start: number, end: number): string => bytes.toString('hex', start, end);
  const swapped = (start: number, end: number): string => Buffer.from(bytes.subarray(start, end)).reverse().toString('hex');
  return [swapped(0, 4), swapped(4, 6), swapped(6, 8), part(8, 10), part(10, 16)].join('-');
}
